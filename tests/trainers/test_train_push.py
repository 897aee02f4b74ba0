"""A model that was trained here goes to a simulation of the Hub, and works when it comes back."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import needs_train
import pytest
import yaml

needs_train.skip_if_missing()

import material  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
from huggingface_hub import ModelCard, constants  # noqa: E402
from model_hub import TOKEN, FakeHub, commits, model_hub  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: E402

from stkit_bench.cli import main as bench  # noqa: E402
from stkit_datasets.build import BuildConfig, build  # noqa: E402
from stkit_datasets.errors import ConfigError, SourceError  # noqa: E402
from stkit_datasets.hub import PushError  # noqa: E402
from trainers import (  # noqa: E402
    model_licence,
    model_scores,
    push,
    sft,
    staging,
    taken_data,
    training_facts,
)
from trainers.arguments import check_recipe  # noqa: E402
from trainers.mixture import Mixture  # noqa: E402
from trainers.model_card import Published, model_card  # noqa: E402
from trainers.model_card_data import kind_of  # noqa: E402
from trainers.model_licence import Part, derive, parts_of, source_parts  # noqa: E402
from trainers.sources import SourceConfig  # noqa: E402

NAME = "some-lab/st-vlm"
SCENES = {"n_train_scenes": 1, "n_validation_scenes": 1, "duration_s": 4.0}
SCENES |= {"width_px": 320, "height_px": 180}
LORA = {
    "use_peft": True,
    "lora_r": 4,
    "lora_target_modules": [r".*language_model.*\.(q|v|up)_proj"],
    "train_vision_tower": False,
}
BELONGS = {
    *("README.md", "chat_template.jinja", "config.json", "generation_config.json"),
    *("model.safetensors", "processor_config.json", "tokenizer.json", "tokenizer_config.json"),
    "training_facts.json",
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("push") / "rows"
    build(BuildConfig("simulation", None, out, source_options=SCENES), progress=False)
    return out


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.save(tmp_path_factory.mktemp("push") / "tiny")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return folder


Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(rows: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    def run(name: str = "run", **other: Any) -> Path:
        folder = tmp_path_factory.mktemp("push")
        values = {
            "model_name_or_path": str(base),
            "dtype": "float32",
            "data_root": str(rows.parent),
            "sources": [{"name": "scenes", "path": rows.name}],
            "output_dir": str(folder / name),
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "max_steps": 4,
            "per_device_train_batch_size": 2,
            "global_batch_size": 4,
            "learning_rate": 1e-2,
            "max_frames": 4,
            "save_strategy": "no",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            "seed": 3,
            **other,
        }
        (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
        sft.main(["--config", str(folder / "recipe.yaml")])
        return folder / name

    return run


@pytest.fixture(scope="module")
def trained(train: Train) -> Path:
    """Return the result of a run, with what a long one leaves beside it."""
    folder = train(max_steps=8, save_strategy="steps", save_steps=4)
    (folder / "unreadable.jsonl").write_text('{"id": "scenes/1", "reason": "broken"}\n')
    (folder / "held_out_ids.txt").write_text("a\n")
    (folder / "bench").mkdir()
    return folder


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may spoil."""
    ignored = shutil.ignore_patterns("checkpoint-*")
    return Path(shutil.copytree(trained, tmp_path / "copy", ignore=ignored))


@pytest.fixture(scope="module")
def scores(trained: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return scores of answers that are drawn at random and filed under the trained model."""
    folder = tmp_path_factory.mktemp("answers")
    answers, out = folder / "answers.jsonl", folder / "score.json"
    asked = ["--data", str(rows), "--out", str(answers), "--no-progress"]
    assert bench(["run", "--model", "baseline:random", *asked]) == 0
    text = answers.read_text().replace('"model": "random"', f'"model": "{trained}"')
    answers.write_text(text)
    told = ["--references", str(rows), "--out", str(out)]
    assert bench(["score", str(answers), *told]) == 0
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with model_hub(monkeypatch) as running:
        yield running


def fetched(hub: FakeHub, folder: Path) -> Path:
    """Write what the Hub holds into a folder, as a user would get it."""
    folder.mkdir()
    for name, content in hub.files.items():
        (folder / name).write_bytes(content)
    return folder


def answer(folder: Path, seed: int = 1) -> str:
    """Generate with what ``from_pretrained`` makes of a folder."""
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    content = [{"type": "video"}, {"type": "text", "text": "How far?"}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    pixels = torch.from_numpy(material.pictures(4, seed)).permute(0, 3, 1, 2)
    inputs = processor(text=[text], videos=[pixels], do_sample_frames=False, return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    return str(processor.batch_decode(written)[0])


def asked_answers(folder: Path, rows: Path, out: Path) -> list[str]:
    """Ask a model through ``stkit-bench run``."""
    settings = ["--limit", "3", "--max-frames", "4", "--max-new-tokens", "8", "--no-progress"]
    model = ["--model", f"transformers:{folder}", "--data", str(rows), "--out", str(out)]
    assert bench(["run", *model, *settings]) == 0
    return [json.loads(line)["response"] for line in out.read_text().splitlines()]


# --- what arrives -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arrived(
    trained: Path, scores: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FakeHub, Path]]:
    """Return the Hub after one push, and the folder that a user gets from it."""
    with pytest.MonkeyPatch.context() as patch, model_hub(patch) as hub:
        asked = push.Push(trained, NAME, [f"drawn scenes={scores}"])
        assert push.push(asked) == f"{hub.address}/{NAME}"
        folder = fetched(hub, tmp_path_factory.mktemp("hub") / "st-vlm")
        yield hub, folder


def test_one_commit_holds_what_belongs_and_nothing_else(arrived: tuple[FakeHub, Path]) -> None:
    hub, _ = arrived
    assert set(hub.files) == BELONGS
    assert commits(hub) == 1
    assert hub.repositories == {NAME: False}


def test_what_arrives_answers_as_the_run_did(
    arrived: tuple[FakeHub, Path], trained: Path, base: Path, rows: Path, tmp_path: Path
) -> None:
    _, folder = arrived
    assert answer(folder) == answer(trained)
    assert answer(folder) != answer(base), "or the test would not see which weights are there"
    asked = asked_answers(folder, rows, tmp_path / "hub.jsonl")
    assert asked == asked_answers(trained, rows, tmp_path / "run.jsonl")
    assert len(asked) == 3


def test_the_code_on_the_card_runs(
    arrived: tuple[FakeHub, Path], rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = arrived
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert code is not None
    script = code[1].replace(NAME, str(folder)).replace("path/to/rows", str(rows))
    (tmp_path / "snippet.py").write_text(script)
    found = runpy.run_path(str(tmp_path / "snippet.py"))
    written = found["written"][0, found["inputs"]["input_ids"].shape[1] :]
    expected = found["processor"].decode(written, skip_special_tokens=True)
    assert found["row"]["prompt"] in found["text"]
    assert capsys.readouterr().out == f"{expected}\n"


def test_the_run_and_the_recipe_are_on_the_card(
    arrived: tuple[FakeHub, Path], trained: Path, base: Path, tmp_path: Path
) -> None:
    _, folder = arrived
    card = (folder / "README.md").read_text()
    facts = training_facts.read(trained)
    for told in (
        "| learning rate | 0.01, linear |", "| global batch | 4 |", "| samples seen | 32 |",
        "| frames | at most 4 a clip |", "| seed | 3, of the mixture 0 |", "| steps | 8 (",
        f"transformers {facts['versions']['transformers']}", "| tuned | all weights |",
        f"`{facts['base']['revision'][:23]}`", "--max-frames 4",
        "all about drawn scenes, not about real video",
    ):  # fmt: skip
        assert told in card, told
    for parent in (trained.parent, base.parent):
        assert str(parent) not in card + json.dumps(facts), "a folder of the machine"
    (tmp_path / "recipe.yaml").write_text(re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)[0])
    recipe = check_recipe(tmp_path / "recipe.yaml")
    assert recipe["learning_rate"] == 0.01
    assert recipe["sources"] == [{"name": "scenes", "path": "rows"}]


def test_the_facts_count_what_was_taken(trained: Path, rows: Path) -> None:
    import pyarrow.parquet as pq

    (file,) = (rows / "simulation").glob("train-*.parquet")
    table = pq.read_table(file, columns=["task", "target"]).to_pylist()
    facts = training_facts.read(trained)
    (source,) = facts["sources"]
    found = source["rows"]["simulation"]
    assert source["samples"] == found["samples"] == len(table)
    for task, count in found["tasks"].items():
        assert count == sum(row["task"] == task for row in table)
    distances = [row["target"]["value_si"] for row in table if row["task"] == "traveled_distance"]
    low, _, high = found["distance_m"]
    assert (low, high) == (round(min(distances), 2), round(max(distances), 2))
    assert found["fps"] == [2.0]
    assert facts["run"]["steps"] == 8
    assert facts["run"]["samples_seen"] == 32


# --- scores -----------------------------------------------------------------------------------


def test_the_scores_are_read_back_by_the_hubs_own_parser(
    arrived: tuple[FakeHub, Path], scores: Path
) -> None:
    _, folder = arrived
    data = ModelCard.load(folder / "README.md").data
    written = model_scores.eval_results([model_scores.read_scores(f"drawn scenes={scores}")])
    assert data.eval_results == written
    truth = json.loads(scores.read_text())
    by = {(one.dataset_config, one.metric_type): one for one in data.eval_results}
    distance = by["traveled_distance", "accuracy"]
    of_task = truth["tasks"]["traveled_distance"]
    assert distance.metric_value == round(of_task["accuracy"], 4)
    edges = [round(edge, 4) for edge in of_task["accuracy_interval"]]
    assert distance.metric_args["interval"] == edges
    assert distance.metric_args["n"] == of_task["n"]
    assert distance.dataset_name == "drawn scenes"
    assert by["traveling_speed", "mae"].metric_name.startswith("mean absolute error, km/h (95 %")
    assert by["average", "accuracy"].metric_value == round(truth["average_accuracy"], 4)
    assert ("direction_timestamp", "mean_iou") in by


def test_the_table_has_every_task_beside_chance(
    arrived: tuple[FakeHub, Path], scores: Path
) -> None:
    card = (arrived[1] / "README.md").read_text()
    truth = json.loads(scores.read_text())
    head, _, *lines = re.search(r"### Drawn scenes\n\n(.*?)\n\n", card, re.DOTALL)[1].splitlines()
    names = [cell.strip() for cell in head.strip("|").split("|")]
    assert names[5:] == ["chance, %", "constant, %", "random, %"]
    assert len(lines) == len(truth["tasks"]) + 1
    one = truth["tasks"]["traveled_distance"]
    low, high = (f"{100 * edge:.1f}" for edge in one["accuracy_interval"])
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert cells[:3] == ["`traveled_distance`", str(one["n"]),
                         f"{100 * one['accuracy']:.1f} ({low} to {high})"]  # fmt: skip
    assert cells[5] == f"{100 * truth['blind']['chance']['traveled_distance']:.1f}"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda scores: scores.update(reader_failures=2), "not a whole score, the reader failed"),
        (lambda scores: scores.pop("blind"), "no blind"),
        (lambda scores: scores["tasks"]["traveled_distance"].pop("n"), "'traveled_distance': no n"),
        (lambda scores: scores["tasks"]["traveled_distance"].update(accuracy_interval=None),
         "has no interval"),
    ],
)  # fmt: skip
def test_scores_that_are_not_whole_are_refused(
    scores: Path, tmp_path: Path, harm: Callable[[Any], None], message: str
) -> None:
    content = json.loads(scores.read_text())
    harm(content)
    (tmp_path / "score.json").write_text(json.dumps(content))
    with pytest.raises(model_scores.ScoresError, match=message):
        model_scores.read_scores(str(tmp_path / "score.json"))


@pytest.mark.parametrize(
    ("models", "other"),
    [
        (["random"], "'random'"),
        (["runs/run", "runs/another"], "'runs/another'"),
        (["runs/run (no video)"], "'runs/run (no video)'"),
        (["/long/way/to/run", NAME, "st-vlm", "alias"], None),
        ([], None),
        (None, None),
    ],
)
def test_scores_of_another_model_are_refused(
    trained: Path, scores: Path, tmp_path: Path, models: list[str] | None, other: str | None
) -> None:
    content = json.loads(scores.read_text())
    content["answers"]["models"] = models
    if models is None:
        del content["answers"], content["questions"]  # as older versions wrote them
    (tmp_path / "score.json").write_text(json.dumps(content))
    told = [str(tmp_path / "score.json")]
    asked = push.Push(trained, NAME, told, answered_as="alias")
    if other is None:
        with push.prepared(asked) as ready:
            assert ("with the digest" in ready.card) == (models is not None)
        return
    message = rf"score.json: the answers are of {re.escape(other)}, not of .* run, .*st-vlm"
    with pytest.raises(model_scores.ScoresError, match=message), push.prepared(asked):
        pass


def test_questions_without_a_name_are_not_called_a_bench(scores: Path) -> None:
    assert model_scores.read_scores(str(scores)).name == "questions of STKit"


# --- facts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", [*training_facts.NEEDED, "sources", "weights"])
def test_a_fact_that_is_missing_is_named(copy: Path, fact: str) -> None:
    path = copy / "training_facts.json"
    facts = json.loads(path.read_text())
    section, _, key = fact.partition(".")
    del (facts[section] if key else facts)[key or section]
    path.write_text(json.dumps(facts))
    with pytest.raises(training_facts.FactsError, match=f"the fact {fact} is missing"):
        training_facts.read(copy)


@pytest.mark.parametrize("fact", ["samples", "digest", "rows"])
def test_a_fact_of_a_source_that_is_missing_is_named(copy: Path, fact: str) -> None:
    rewrite(copy / "training_facts.json", lambda facts: facts["sources"][0].pop(fact))
    with pytest.raises(training_facts.FactsError, match=rf"fact sources\[0\].{fact} is missing"):
        training_facts.read(copy)


def test_a_run_that_did_not_end_has_no_facts(trained: Path) -> None:
    with pytest.raises(training_facts.FactsError, match="a training that came to its end"):
        training_facts.read(trained / "checkpoint-4")


def test_facts_of_other_weights_are_refused(copy: Path, base: Path) -> None:
    shutil.copy(base / "model.safetensors", copy / "model.safetensors")
    with pytest.raises(training_facts.FactsError, match="not those of this training"):
        training_facts.read(copy)


def test_a_stream_gives_the_same_facts(rows: Path) -> None:
    config = SourceConfig("scenes", rows.name, count=9)
    stream = Mixture([config], rows.parent)
    (streamed,) = taken_data.taken(stream, streaming=True)
    whole = Mixture([SourceConfig("scenes", rows.name)], rows.parent)
    (mapped,) = taken_data.taken(whole, streaming=False)
    assert streamed["samples"] == 9
    assert sum(streamed["rows"]["simulation"]["tasks"].values()) == 9
    assert streamed["digest"] == mapped["digest"]
    stream.sources[0].config.count = None
    again = taken_data.taken(Mixture([whole.sources[0].config], rows.parent), streaming=True)
    assert again[0]["rows"] == mapped["rows"]


@pytest.mark.parametrize(
    "other", [{"where": {"task": ["traveled_distance"]}}, {"held_out": 0.5}, {"count": 4}]
)
def test_a_part_of_a_source_is_counted_alike_in_a_stream(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    rows = [material.row(k, task=("traveled_distance", "traveling_speed")[k % 2]) for k in range(8)]
    material.write_rows(tmp_path / "stkit", rows)
    mixture = Mixture([SourceConfig("streets", "stkit", **other)], tmp_path)
    (streamed,) = taken_data.taken(mixture, streaming=True)
    assert streamed["samples"] == streamed["rows"]["nuscenes"]["samples"] == 4
    (mapped,) = taken_data.taken(mixture, streaming=False)
    assert mapped["samples"] == 4
    if "count" not in other:  # a stream takes the first ones, not any
        assert streamed["rows"] == mapped["rows"]


def test_a_changed_source_has_another_digest(tmp_path: Path) -> None:
    material.write_all(tmp_path)

    def digests() -> dict[str, str]:
        mixture = Mixture([SourceConfig(**one) for one in material.sources()], tmp_path)
        return {one["name"]: one["digest"] for one in taken_data.taken(mixture, streaming=False)}

    before = digests()
    material.write_rows(tmp_path / "stkit", [material.row(k) for k in range(3)])
    records = json.loads((tmp_path / "llava_onevision" / "mix.json").read_text())
    (tmp_path / "llava_onevision" / "mix.json").write_text(json.dumps(records[:2]))
    changed = {name for name, digest in digests().items() if digest != before[name]}
    assert changed == {"stkit", "llava-onevision"}
    assert all(value.startswith("sha256:") for value in before.values())


# --- the licence ------------------------------------------------------------------------------

FREE = Part("the base", "apache-2.0", "Apache-2.0")
NC = Part("sports", "cc-by-nc-4.0", "CC BY-NC 4.0")
SHARE_3 = Part("kitti", "cc-by-nc-sa-3.0", "CC BY-NC-SA 3.0")
SHARE_4 = Part("streets", "cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0")
OWNER = Part("roads", "other", "the owner's agreement")
UNKNOWN = Part("a list", None, "nobody says")


@pytest.mark.parametrize(
    ("parts", "stated", "label", "name"),
    [
        ([FREE], None, "apache-2.0", None),
        ([Part("the base", "mit", "MIT"), FREE], None, "mit", None),
        ([FREE, NC], None, "cc-by-nc-4.0", None),
        ([FREE, NC, SHARE_3], None, "cc-by-nc-sa-3.0", None),
        ([FREE, SHARE_4, SHARE_3, NC], None, "cc-by-nc-sa-4.0", None),
        ([FREE, SHARE_4, OWNER], None, "other", "terms-of-each-source"),
        ([FREE, UNKNOWN], "apache-2.0", "apache-2.0", None),
        ([FREE, UNKNOWN, SHARE_4], "cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0", None),
        ([FREE, NC], "other", "other", "terms-of-each-source"),
    ],
)
def test_the_licence_is_as_strict_as_the_strictest_part(
    parts: list[Part], stated: str | None, label: str, name: str | None
) -> None:
    found = derive(parts, stated)
    assert (found.label, found.name) == (label, name)
    assert found.non_commercial == any(p in (NC, SHARE_3, SHARE_4, OWNER) for p in parts)


@pytest.mark.parametrize(
    ("parts", "stated", "message"),
    [
        ([FREE, UNKNOWN], None, r"a list: nobody says\); read the terms .* --license NAME"),
        ([Part("the base", "llama3", "Llama 3")], None, "the base: Llama 3"),
        ([FREE, NC], "apache-2.0", r"allows more than .* \(sports: CC BY-NC 4.0\)"),
        ([FREE, SHARE_4], "cc-by-nc-4.0", "allows more"),
        ([OWNER, UNKNOWN], "cc-by-nc-sa-4.0", "roads: the owner's agreement"),
        ([FREE, UNKNOWN], "whatever it is", "an identifier of the Hub"),
    ],
)
def test_a_licence_is_not_guessed(parts: list[Part], stated: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        derive(parts, stated)


@pytest.mark.parametrize(
    ("source", "labels"),
    [
        ({"format": "stkit", "rows": {"nuscenes": {}, "simulation": {}}},
         ["cc-by-nc-sa-4.0", "apache-2.0"]),
        ({"format": "stkit", "rows": {"bdd100k": {}, "multisports": {}}},
         ["other", "cc-by-nc-4.0"]),
        ({"format": "stkit", "rows": {"custom": {}, "mine": {}}}, [None, None]),
        ({"format": "llava", "data_set": "LLaVA-Video-178K"}, ["other"]),
        ({"format": "llava", "data_set": "LLaVA-OneVision-Data"}, ["apache-2.0"]),
        ({"format": "llava", "data_set": None}, [None]),
        ({"format": "openspatial", "data_set": "OpenSpatialDataset"}, [None]),
        ({"format": "vlm4d", "data_set": None}, [None]),
    ],
)  # fmt: skip
def test_every_kind_of_source_has_its_terms(
    source: dict[str, Any], labels: list[str | None]
) -> None:
    assert [part.label for part in source_parts({"name": "it", **source})] == labels


def test_the_page_on_licences_tells_the_same_as_the_rule() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "licences.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")]
            for line in page.splitlines() if line.startswith("|")]  # fmt: skip
    stated = {row[0]: row[1].lower() for row in rows if len(row) > 1}
    for name, label in model_licence.BASE_MODELS.items():
        assert stated[name] == label
    for name in ("LLaVA-OneVision-Data", "OpenSpatialDataset"):
        (part,) = source_parts({"name": "it", "format": "llava", "data_set": name})
        assert stated[name] == (part.label or "none is stated")
    assert "LLaVA-Video-178K" in stated


def test_a_published_data_set_is_known_by_its_folder() -> None:
    name = model_licence.published_name
    assert name("LLaVA-Video-178K/*/*.json") == "LLaVA-Video-178K"
    assert name("lmms-lab/LLaVA-OneVision-Data") == "LLaVA-OneVision-Data"
    assert name("mine/result.json") is None


def test_weights_tuned_twice_keep_the_terms_of_both(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    material.write_rows(tmp_path / "stkit", [material.row(k) for k in range(6)])
    second = train(
        "second", model_name_or_path=str(trained), data_root=str(tmp_path), max_steps=2,
        sources=[{"name": "streets", "path": "stkit"}],
    )  # fmt: skip
    facts = training_facts.read(second)
    licence = derive(parts_of(facts))
    assert licence.label == "cc-by-nc-sa-4.0"
    whats = [part.what for part in licence.parts]
    assert whats == ["the base model tiny", "STKit's simulated scenes", "nuScenes"]
    card = model_card(facts, Published(NAME, False, False, 1, "float32"), licence, [])
    assert "| 1 | `scenes` |" in card
    assert "| 2 | `streets` | nuScenes | annotated | 6 (3 clips) |" in card
    assert "Not for commercial use" in card
    assert "not about real video" not in card


@pytest.mark.parametrize(
    ("origin", "kind"),
    [("nuscenes", "annotated"), ("bdd100k", "pseudo-labelled"), ("llava_video", "pseudo-labelled"),
     ("multisports", "pseudo-labelled"), ("simulation", "simulated"),
     ("vkitti2", "rendered by a game or a simulator, annotated by it")],
)  # fmt: skip
def test_data_is_called_what_it_is(origin: str, kind: str) -> None:
    assert kind_of(origin) == kind


# --- checks before anything is sent -----------------------------------------------------------


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def weights(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def clip_mean(folder: Path) -> None:
    rewrite(folder / "processor_config.json",
            lambda c: c["image_processor"].update(image_mean=[0.48, 0.46, 0.41]))  # fmt: skip


def a_number_less(folder: Path) -> None:
    weights(folder, lambda t: t["lm_head.weight"][3].fill_(float("nan")))


def a_weight_less(folder: Path) -> None:
    weights(folder, lambda t: t.pop("model.multi_modal_projector.linear_1.weight"))


def another_name(folder: Path) -> None:
    weights(folder, lambda t: t.update(odd=torch.zeros(2)))


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def never_ends(folder: Path) -> None:
    rewrite(folder / "generation_config.json", lambda c: c.update(eos_token_id=7))


def unsound(folder: Path) -> None:
    rewrite(folder / "generation_config.json", lambda c: c.update(max_new_tokens=-3))


def no_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def no_video_in_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'][1]['text'] }}")


def no_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def other_token(folder: Path) -> None:
    rewrite(folder / "config.json", lambda c: c.update(video_token_index=5))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (clip_mean, "expected 0.5 each as published"),
        (a_number_less, "lm_head.weight: holds values that are no finite numbers"),
        (a_weight_less, r"do not fit the model: missing keys \['model.multi_modal_projector"),
        (another_name, r"do not fit the model: unexpected keys \['odd'\]"),
        (pickled, "weights must be there as safetensors"),
        (never_ends, "the end of a turn, or answers never end; got 7"),
        (unsound, "is not sound"),
        (no_template, "the processor has no chat template"),
        (no_video_in_template, "the chat template does not ask about a video"),
        (no_processor, "processor"),
        (other_token, "different video tokens"),
    ],
)
def test_what_would_not_work_is_not_sent(
    copy: Path, tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(copy)
    facts = json.loads((copy / "training_facts.json").read_text())
    (tmp_path / "out").mkdir()

    def stage_and_check() -> None:
        staging.stage(copy, tmp_path / "out", facts, merge=False)
        staging.check(tmp_path / "out")

    with pytest.raises(SourceError, match=message):
        stage_and_check()


def test_weights_of_two_trainings_are_refused(copy: Path, tmp_path: Path) -> None:
    shutil.copy(copy / "model.safetensors", copy / "adapter_model.safetensors")
    facts = json.loads((copy / "training_facts.json").read_text())
    with pytest.raises(SourceError, match="weights of two trainings"):
        staging.stage(copy, tmp_path, facts, merge=False)


# --- adapters ---------------------------------------------------------------------------------


def test_a_merged_adapter_answers_as_the_adapter(
    train: Train, base: Path, hub: FakeHub, tmp_path: Path
) -> None:
    run = train(**LORA)
    with pytest.raises(SourceError, match="a folder that nobody else has; push with --merge"):
        push.push(push.Push(run, NAME))
    push.push(push.Push(run, NAME, merge=True))
    assert set(hub.files) == BELONGS
    folder = fetched(hub, tmp_path / "merged")
    assert answer(folder) == answer(run)
    assert answer(folder) != answer(base)
    assert "the adapter is merged into the weights" in (folder / "README.md").read_text()
    assert training_facts.read(folder)["recipe"]["lora_r"] == 4


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached_base(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the base model into the cache of the Hub's client, and return its name there."""
    folder = tmp_path / "cache" / "models--some-lab--tiny"
    shutil.copytree(base, folder / "snapshots" / COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return "some-lab/tiny"


def test_an_adapter_goes_with_the_name_of_its_base(
    train: Train, cached_base: str, monkeypatch: pytest.MonkeyPatch, rows: Path, tmp_path: Path
) -> None:
    run = train(model_name_or_path=cached_base, **LORA)
    facts = training_facts.read(run)
    assert (facts["base"]["name"], facts["base"]["revision"]) == (cached_base, COMMIT)
    assert facts["recipe"]["model_revision"] == COMMIT
    with push.prepared(push.Push(run, NAME, licence="apache-2.0")) as ready:
        folder = Path(shutil.copytree(ready.folder, tmp_path / "adapter"))
    assert {path.name for path in folder.iterdir()} == (
        BELONGS - {"config.json", "generation_config.json", "model.safetensors"}
        | {"adapter_config.json", "adapter_model.safetensors"}
    )
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (cached_base, COMMIT)
    data = ModelCard.load(folder / "README.md").data
    assert (data.base_model, data["base_model_relation"]) == (cached_base, "adapter")
    assert answer(folder) == answer(run)
    merged = push.Push(run, NAME, merge=True, licence="apache-2.0")
    with push.prepared(merged) as ready:
        assert answer(ready.folder) == answer(folder)
    assert len(asked_answers(folder, rows, tmp_path / "answers.jsonl")) == 3


# --- the Hub ----------------------------------------------------------------------------------


def test_a_second_push_replaces_weights_under_other_names(trained: Path, hub: FakeHub) -> None:
    hub.repositories[NAME] = True
    hub.files.update({"model-00001-of-00002.safetensors": b"old", "adapter_config.json": b"{}",
                      "model.safetensors.index.json": b"{}", "notes.md": b"kept"})  # fmt: skip
    push.push(push.Push(trained, NAME))
    assert set(hub.files) == BELONGS | {"notes.md"}
    assert commits(hub) == 1


def test_a_private_one_is_made_private(trained: Path, hub: FakeHub) -> None:
    push.push(push.Push(trained, NAME, private=True))
    assert hub.repositories == {NAME: True}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the token in HF_TOKEN is not valid"),
        (403, "the token in HF_TOKEN may not write there"),
        (404, "there is no such organisation or model for this token"),
    ],
)
def test_a_refusal_says_why_and_never_the_token(
    trained: Path, hub: FakeHub, status: int, message: str
) -> None:
    hub.fail["/api/repos/create"] = [status]
    with pytest.raises(PushError, match=message) as caught:
        push.push(push.Push(trained, NAME))
    assert TOKEN not in str(caught.value)


def test_a_server_that_repeats_the_token_does_not_get_it_printed(
    trained: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    wrong = "hf_a_wrong_token_9876543210"
    monkeypatch.setenv("MY_TOKEN", wrong)
    told = ["--model", str(trained), "--repo", NAME, "--token_env", "MY_TOKEN"]
    assert push.main(told) == 1
    printed = capsys.readouterr()
    assert "the token in MY_TOKEN is not valid" in printed.err
    assert wrong not in printed.err + printed.out


def test_a_hub_that_cannot_be_reached(trained: Path, hub: FakeHub) -> None:
    with pytest.raises(PushError, match=r"could not be reached .* run the command again") as caught:
        push.push(push.Push(trained, NAME, endpoint="http://127.0.0.1:9"))
    assert TOKEN not in str(caught.value)


def test_without_a_token_nothing_is_tried(
    trained: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="set the environment variable HF_TOKEN"):
        push.push(push.Push(trained, NAME))
    assert hub.requests == []


def test_a_dry_run_shows_the_files_and_the_card_and_contacts_nobody(
    trained: Path, scores: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("HF_TOKEN")
    before = sorted(path.name for path in trained.iterdir())
    told = ["--model", str(trained), "--repo", NAME, "--scores", str(scores), "--dry_run"]
    assert push.main(told) == 0
    printed = capsys.readouterr().out
    for name in BELONGS:
        assert f"  {name}\n" in printed
    stays = re.search(r"stays here: (.*)\n", printed)[1].split(", ")
    assert {"checkpoint-4", "checkpoint-8", "unreadable.jsonl", "held_out_ids.txt", "bench",
            "training_args.bin"} <= set(stays)  # fmt: skip
    assert "# st-vlm\n" in printed
    assert f"would go to {NAME}" in printed
    assert hub.requests == []
    assert sorted(path.name for path in trained.iterdir()) == before


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["--repo", "nameless"], "must be named ORG/NAME"),
        (["--repo", NAME, "--scores", "missing.json"], "missing.json: cannot be read"),
        (["--repo", NAME, "--merge"], "--merge is for adapters"),
    ],
)
def test_the_command_says_what_is_wrong(
    trained: Path, told: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push.main(["--model", str(trained), "--dry_run", *told]) == 1
    assert message in capsys.readouterr().err


# --- push_to_hub in a recipe ------------------------------------------------------------------


def test_a_recipe_pushes_the_finished_model_with_our_card(train: Train, hub: FakeHub) -> None:
    run = train(push_to_hub=True, hub_model_id=NAME, hub_private_repo=True,
                max_steps=4, save_strategy="steps", save_steps=2)  # fmt: skip
    assert set(hub.files) == BELONGS
    assert commits(hub) == 1, "and nothing at the checkpoints"
    assert hub.repositories == {NAME: True}
    assert hub.files["model.safetensors"] == (run / "model.safetensors").read_bytes()
    assert b"What it was tuned on" in hub.files["README.md"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"hub_model_id": None}, "needs hub_model_id: ORG/NAME"),
        ({"hub_token": "hf_in_a_recipe"}, "hub_token is not read from a recipe"),
        ({"hub_strategy": "checkpoint"}, "leave hub_strategy"),
        ({"hub_revision": "v2"}, "leave hub_strategy"),
        (LORA, "has to be merged first"),
    ],
)
def test_what_could_not_be_pushed_is_refused_before_the_work(
    train: Train, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any],
    message: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(sft.StVlmTrainer, "train", lambda *_, **__: pytest.fail("trained"))
    values = {"push_to_hub": True, "hub_model_id": NAME, **other}
    with pytest.raises(ConfigError, match=message) as caught:
        train(**values)
    assert "hf_in_a_recipe" not in str(caught.value)
    assert hub.requests == []


def test_a_licence_that_cannot_be_told_is_refused_before_the_work(
    train: Train, tiny_model: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sft.StVlmTrainer, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ConfigError, match=r"no card in its folder.*use trainers/push.py"):
        train(push_to_hub=True, hub_model_id=NAME, model_name_or_path=str(tiny_model))
