from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import needs_train
import pytest
import yaml

needs_train.skip_if_missing()

import material  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: E402

from stkit_bench.run.settings import RunError  # noqa: E402
from stkit_datasets import prompt  # noqa: E402
from trainers import checkpoints, media, sft, trainer  # noqa: E402
from trainers.samples import load_wording_file  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = sorted((REPOSITORY / "trainers" / "recipes").glob("*.yaml"))
CLOSE = 1e-5


def test_a_mixture_of_every_kind_trains(train: Any, settings: dict[str, Any]) -> None:
    curve = train(settings, max_steps=12)
    assert len(curve) == 12
    assert sum(curve[-3:]) < sum(curve[:3]) - 0.5


def test_an_epoch_decodes_every_video_once(
    train: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode = media.decode_bytes

    def counted(data: bytes, *args: Any) -> Any:
        decoded.append(hash(data))
        return decode(data, *args)

    monkeypatch.setattr(media, "decode_bytes", counted)
    train(settings, sources=settings["sources"][:1], max_steps=-1, num_train_epochs=1)
    assert len(decoded) == len(set(decoded)) == 12


def test_resuming_gives_the_uninterrupted_curve(train: Any, settings: dict[str, Any]) -> None:
    saving = {**settings, "max_steps": 6, "save_strategy": "steps", "save_steps": 3}
    curve = train(saving)
    run = Path(settings["output_dir"])
    (run / "trainer_state.json").unlink()
    shutil.rmtree(run / "checkpoint-6")
    assert train(saving, resume_from_checkpoint="last") == pytest.approx(curve, abs=CLOSE)


def test_resuming_skips_without_decoding(
    train: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = {**settings, "sources": settings["sources"][:1], "max_steps": 3}
    train(only, save_strategy="steps", save_steps=2)
    decoded: list[int] = []
    decode = media.decode_bytes
    monkeypatch.setattr(media, "decode_bytes", lambda *args: decoded.append(1) or decode(*args))
    shutil.rmtree(Path(settings["output_dir"]) / "checkpoint-3", ignore_errors=True)
    train(only, resume_from_checkpoint="last")
    assert len(decoded) == 4


def test_resuming_on_other_batches_gives_the_same_curve(
    train: Any, settings: dict[str, Any]
) -> None:
    saving = {**settings, "max_steps": 6, "save_strategy": "steps", "save_steps": 3}
    curve = train(saving)
    shutil.rmtree(Path(settings["output_dir"]) / "checkpoint-6")
    resumed = train(saving, resume_from_checkpoint="last", per_device_train_batch_size=1)
    assert resumed == pytest.approx(curve, abs=CLOSE)


def test_weights_under_other_names_are_refused(
    train: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = {**settings, "max_steps": 2, "save_strategy": "steps", "save_steps": 2}
    with monkeypatch.context() as stock:
        # What TRL's trainer writes: the legacy names, which loading would skip.
        stock.setattr(trainer.StVlmTrainer, "_save", trainer.SFTTrainer._save)
        train(saving)
    with pytest.raises(ValueError, match="do not fit the model"):
        train(saving, max_steps=3, resume_from_checkpoint="last")


def answer(folder: Path, frames: Any) -> tuple[str, torch.Tensor]:
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "How far?"}]}],
        add_generation_prompt=True,
    )
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)
    inputs = processor(text=[text], videos=[pixels], do_sample_frames=False, return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    return processor.batch_decode(written)[0], model(**inputs).logits


def test_a_saved_model_answers_as_the_trained_one(
    train: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Any] = {}
    end = trainer.StVlmTrainer.save_model

    def keep(self: Any, *args: Any, **kwargs: Any) -> None:
        kept["state"] = {name: value.clone() for name, value in self.model.state_dict().items()}
        end(self, *args, **kwargs)

    monkeypatch.setattr(trainer.StVlmTrainer, "save_model", keep)
    train(settings, max_steps=10, learning_rate=1e-2)
    run = Path(settings["output_dir"])
    frames = material.pictures(5, 1)
    text, logits = answer(run, frames)
    model = tiny.model(seed=1)
    model.load_state_dict(kept["state"])
    again = run / "again"
    model.save_pretrained(again)
    AutoProcessor.from_pretrained(run).save_pretrained(again)
    text_of_trained, logits_of_trained = answer(again, frames)
    assert text == text_of_trained
    assert torch.equal(logits, logits_of_trained)
    assert not torch.allclose(logits, answer(Path(settings["model_name_or_path"]), frames)[1])
    assert not (run / "README.md").exists(), "TRL's card names another task and no licence"


def test_the_head_computes_only_labelled_positions(settings: dict[str, Any]) -> None:
    seen = []
    model = tiny.model()
    model.lm_head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    labels = torch.full((2, 40), -100)
    labels[0, 30:33] = 7
    labels[1, 32:35] = 8
    ids = torch.randint(0, 200, (2, 40))
    stock = model(input_ids=ids, labels=labels)
    narrow = model(**trainer.with_labels_only({"input_ids": ids, "labels": labels}))
    assert seen == [40, 5]
    assert narrow.loss.item() == pytest.approx(stock.loss.item(), abs=1e-6)


def test_what_the_loss_never_reaches_is_frozen() -> None:
    model = tiny.model()
    frozen = trainer.freeze_unreached(model)
    assert [name.rpartition(".")[0] for name in frozen] == [
        "model.vision_tower.post_layernorm",
        "model.vision_tower.post_layernorm",
    ]


@pytest.mark.parametrize("lengths", [None, list(range(50))], ids=["random", "by length"])
def test_the_order_belongs_to_the_seed_and_the_epoch(lengths: Any) -> None:
    numbers = None if lengths is None else torch.tensor(lengths).numpy()
    done = 0
    sampler = trainer.EpochSampler(50, 8, seed=3, lengths=numbers, steps_done=lambda: done)
    first = list(sampler)
    assert len(first) == len(set(first)) == len(sampler) == 48
    done = 5
    assert list(sampler) == first, "taken up again in the same epoch"
    done = 6
    assert list(sampler) != first


def test_a_set_smaller_than_a_batch_is_repeated() -> None:
    order = list(trainer.EpochSampler(3, 8, seed=0))
    assert len(order) == 8
    assert set(order) == {0, 1, 2}


def test_checkpointing_and_workers_change_no_loss(train: Any, settings: dict[str, Any]) -> None:
    plain = train(settings)
    other = train(settings, gradient_checkpointing=True, dataloader_num_workers=2)
    assert other == pytest.approx(plain, abs=CLOSE)


def test_samples_are_grouped_and_held_out_ones_are_evaluated(
    train: Any, settings: dict[str, Any]
) -> None:
    held_out = {**settings["sources"][4], "part": "held_out"}
    train(settings, train_sampling_strategy="group_by_length", eval_sources=[held_out],
          eval_strategy="steps", eval_steps=2, per_device_eval_batch_size=2)  # fmt: skip
    state = json.loads((Path(settings["output_dir"]) / "trainer_state.json").read_text())
    losses = [entry["eval_loss"] for entry in state["log_history"] if "eval_loss" in entry]
    assert len(losses) == 2
    assert 0 < losses[1] < losses[0] < 7


# --- the recipes -------------------------------------------------------------------------------


def comparison(number: int, polarity: str) -> dict[str, Any]:
    """A row of simulation in the sentences of the recipes for the small model."""
    row = material.row(number, source="simulation")
    wording = load_wording_file(str(RECIPES[0].parent / "few_words.json"))
    task, times = "traveling_speed_comparison", row["timestamps_s"]
    question = f"Which one is {'faster' if polarity == 'more' else 'slower'}, red or blue?"
    common = prompt.common_prompt(wording, task, times, row["duration_s"], ["red", "blue"])
    asked = prompt.full_prompt(common, question)
    faster, slower = ("red", "blue") if polarity == "more" else ("blue", "red")
    answer = f"Here {faster} is faster than {slower}."
    other = {**row["objects"][0], "color": "blue", "track_id": "b"}
    return {**row, "task": task, "form": polarity, "polarity": polarity, "question": question,
            "answer": answer, "prompt": asked, "objects": [*row["objects"], other],
            "messages": prompt.messages(asked, answer),
            "target": {**row["target"], "task": task, "value_si": None,
                       "choice": "red"}}  # fmt: skip


def lay_out(root: Path) -> None:
    """Put fixture data where the recipes look for theirs."""
    rows = {name: [material.row(10 * n + k, source=name) for k in range(3)]
            for n, name in enumerate(("nuscenes", "argoverse2", "ego_exo4d", "bdd100k",
                                      "llava_video", "multisports"))}  # fmt: skip
    rows["simulation"] = [comparison(100 + k, ("more", "less")[k % 2]) for k in range(4)]
    card = "---\nconfigs:\n"
    for name, listed in rows.items():
        material.write_rows(root / "stkit" / name, listed)
        card += (
            f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*\n"
        )
    (root / "stkit" / "README.md").write_text(card + "---\n")
    videos = root / "LLaVA-Video-178K"
    material.write_llava_video(videos / "videos")
    (videos / "0_30_s_academic_v0_1").mkdir()
    shutil.move(videos / "videos" / "0_30_s_academic_oe_qa.json", videos / "0_30_s_academic_v0_1")
    images = root / "LLaVA-OneVision-Data"
    material.write_llava_onevision(images)
    shutil.move(images / "images", images / "inner")
    (images / "images").mkdir()
    shutil.move(images / "inner", images / "images" / "images")
    material.write_openspatial(root / "OpenSpatialDataset")
    (root / "openimages").mkdir()
    shutil.move(root / "OpenSpatialDataset" / "images", root / "openimages" / "train")
    material.write_vlm4d(root / "vlm4d")


@pytest.fixture(scope="module")
def recipe_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recipe_data")
    lay_out(root)
    return root


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_takes_two_steps(
    path: Path,
    recipe_data: Path,
    train: Any,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(REPOSITORY)  # where recipes are run from
    recipe = yaml.safe_load(path.read_text())
    for source in recipe["sources"]:
        if "count" in source:
            source.update(count=2, if_short="repeat")
    smaller = ("model_name_or_path", "dtype", "output_dir", "use_cpu", "bf16", "max_steps",
               "per_device_train_batch_size", "global_batch_size", "save_strategy",
               "disable_tqdm", "logging_steps", "dataloader_pin_memory")  # fmt: skip
    recipe.update({name: settings[name] for name in smaller})
    recipe.update(max_steps=2, data_root=str(recipe_data), dataloader_num_workers=0,
                  dataloader_persistent_workers=False)  # fmt: skip
    curve = train(recipe)
    assert len(curve) == 2
    assert all(0 < loss < 7 for loss in curve)
    held_out = Path(settings["output_dir"]) / "held_out_ids.txt"
    assert held_out.exists() == (path.stem in ("vlm4d_real", "vlm4d_both"))
    if "lora" in path.stem:
        saved = json.loads((Path(settings["output_dir"]) / "adapter_config.json").read_text())
        assert "language_model" in saved["target_modules"]


# --- streams, unreadable samples, the dry run ----------------------------------------------------


def test_a_stream_trains_and_goes_on_where_it_was(train: Any, settings: dict[str, Any]) -> None:
    sources = [{**source, "count": 8, "if_short": "all"} for source in settings["sources"][:2]]
    streaming = {**settings, "sources": sources, "streaming": True, "max_steps": 2}
    curve = train(streaming, save_strategy="steps", save_steps=1)
    shutil.rmtree(Path(settings["output_dir"]) / "checkpoint-2")
    resumed = train(streaming, resume_from_checkpoint="last")
    assert resumed == pytest.approx(curve, abs=CLOSE)


def broken_rows(folder: Path, n: int) -> Path:
    rows = [material.row(k) for k in range(8)]
    for row in rows[:n]:
        row["video"] = {"bytes": b"no video", "path": None}
    return material.write_rows(folder, rows)


def test_unreadable_samples_are_named_and_passed_over(
    train: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    broken_rows(tmp_path / "rows", 2)
    sources = [{"name": "rows", "path": str(tmp_path / "rows")}]
    curve = train(settings, sources=sources, max_steps=2)
    assert len(curve) == 2
    log = Path(settings["output_dir"]) / "unreadable.jsonl"
    named = {json.loads(line)["id"] for line in log.read_text().splitlines()}
    assert named == {f"rows/{0:016x}", f"rows/{1:016x}"}


def test_too_many_unreadable_samples_stop_the_run(
    train: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    broken_rows(tmp_path / "rows", 7)
    sources = [{"name": "rows", "path": str(tmp_path / "rows")}]
    with pytest.raises(ValueError, match="max_unreadable is 3"):
        train(settings, sources=sources, max_unreadable=3)


def test_the_dry_run_describes_and_starts_nothing(
    settings: dict[str, Any], recipe: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sft.main(["--config", str(recipe(settings)), "--dry_run"])
    told = capsys.readouterr().out
    for part in ("stkit ", "12 samples", "Steps: 4 of 4 samples", "FLOP a sample", "Memory of",
                 "<video> x 17", "[[It travels 0.00 m.<|im_end|>]]"):  # fmt: skip
        assert part in told, told
    assert not Path(settings["output_dir"]).exists()


def test_the_bench_is_asked_during_training(
    train: Any, settings: dict[str, Any], data_root: Path
) -> None:
    train(settings, max_steps=2, bench=str(data_root / "stkit"), bench_steps=1, bench_limit=3,
          bench_max_new_tokens=4, per_device_eval_batch_size=2)  # fmt: skip
    run = Path(settings["output_dir"])
    history = json.loads((run / "trainer_state.json").read_text())["log_history"]
    asked = [entry for entry in history if "bench_average" in entry]
    assert [entry["step"] for entry in asked] == [1, 2]
    assert {"bench_coverage", "bench_traveled_distance"} <= set(asked[0])
    lines = (run / "bench" / "step-000002.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert json.loads((run / "tokenizer_config.json").read_text()).get("padding_side") != "left"


def test_the_bench_may_have_sentences_of_its_own(
    train: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = material.write_rows(tmp_path / "rows", [comparison(k, "more") for k in range(2)])
    asked = {"bench": str(folder), "bench_steps": 1, "bench_max_new_tokens": 2, "max_frames": 3}
    with pytest.raises(RunError, match="sentences"):
        train(settings, max_steps=1, **asked)
    words = str(REPOSITORY / "trainers" / "recipes" / "few_words.json")
    train(settings, max_steps=1, bench_wording=words, **asked)
    lines = Path(settings["output_dir"]) / "bench" / "step-000001.jsonl"
    assert len(lines.read_text().splitlines()) == 2


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["no marker", "cut", "lost"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(tmp_path: Path, harm: str) -> None:
    for step in (3, 6):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "weights").write_bytes(b"x" * 10)
        checkpoints.mark_whole(folder)
    assert checkpoints.last_whole(tmp_path) == tmp_path / "checkpoint-6"
    if harm == "no marker":
        (tmp_path / "checkpoint-6" / checkpoints.MARKER).unlink()
    elif harm == "cut":
        (tmp_path / "checkpoint-6" / "weights").write_bytes(b"x" * 9)
    else:
        (tmp_path / "checkpoint-6" / "weights").unlink()
    assert checkpoints.last_whole(tmp_path) == tmp_path / "checkpoint-3"
    checkpoints.remove_broken(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]
