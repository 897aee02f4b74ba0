"""The task files for lmms-eval, read the way lmms-eval reads them, on toy rows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import run_rows
import yaml
from datasets import load_dataset

from stkit_bench.cli import main
from stkit_bench.harness import lmms_stkit, lmms_vlm4d
from stkit_bench.harness.settings import HarnessError
from stkit_bench.run.settings import RunError
from stkit_datasets.tasks.names import TASKS
from stkit_datasets.video.encode import decode_mp4

TASK_FILES = Path(lmms_stkit.__file__).with_name("lmms_eval")
GROUPS = {"vlm4d_direct", "vlm4d_cot"}
TASK_NAMES = {"stkit_bench"} | {
    f"vlm4d_{split}_{form}" for split in ("real", "synthetic") for form in ("direct", "cot")
}

pytest.importorskip("av")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "custom").mkdir()
    run_rows.write(folder / "custom" / "test-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def vlm4d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vlm4d")
    for split, numbers in (("real", (1, 2, 930)), ("synthetic", (1, 2))):
        items = [
            {
                "id": f"validation_{n}",
                "video": f"https://example.org/videos_{split}/toy/{n}.mp4",
                "question": "Which way does the car turn?",
                "choices": {"A": "left", "B": "right", "C": "no turn", "D": "up"},
                "answer": "no turn" if (split, n) == ("synthetic", 2) else "left",
            }
            for n in numbers
        ]
        (folder / f"{split}_mc.json").write_text(json.dumps(items))
        (folder / f"videos_{split}" / "toy").mkdir(parents=True)
        (folder / f"videos_{split}" / "toy" / "1.mp4").write_bytes(b"toy")
    return folder


@pytest.fixture(autouse=True)
def settings(bench: Path, vlm4d: Path, monkeypatch: pytest.MonkeyPatch):
    """Set the user's variables, and forget those that an earlier test set."""
    caches = (lmms_stkit._settings, lmms_vlm4d._folder, lmms_vlm4d._only_present)

    def use(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for cache in caches:
            cache.cache_clear()

    use(STKIT_BENCH_DATA=str(bench), STKIT_VLM4D_DATA=str(vlm4d))
    yield use
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def utils() -> ModuleType:
    spec = importlib.util.spec_from_file_location("utils", TASK_FILES / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config_of(path: Path) -> dict[str, Any]:
    """Read a task file with ``include`` and ``!function``, as lmms-eval 0.7.3 does."""

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: Any, node: Any) -> Any:
        module, name = loader.construct_scalar(node).split(".")
        assert module == "utils"
        return getattr(utils(), name)

    Loader.add_constructor("!function", function)
    config = yaml.load(path.read_text(encoding="utf-8"), Loader)
    included = config.pop("include", None)
    return {**(config_of(path.parent / included) if included else {}), **config}


def task(name: str) -> tuple[dict[str, Any], Any]:
    """Return a task's config and its documents, loaded and processed as lmms-eval does."""
    config = config_of(TASK_FILES / f"{name}.yaml")
    rows = load_dataset(
        config["dataset_path"],
        config["dataset_name"],
        split=config["test_split"],
        **config["dataset_kwargs"],
    )
    return config, config["process_docs"](rows)


def results_of(config: dict[str, Any], docs: Any, responses: list[str]) -> dict[str, Any]:
    gathered: dict[str, list[Any]] = {}
    for doc, response in zip(docs, responses, strict=True):
        for metric, item in config["process_results"](doc, [response]).items():
            gathered.setdefault(metric, []).append(json.loads(json.dumps(item)))
    named = {metric["metric"]: metric["aggregation"] for metric in config["metric_list"]}
    assert set(gathered) <= set(named)
    return {name: named[name](items) for name, items in gathered.items()}


def test_the_folder_holds_the_tasks_and_groups_it_is_known_for(capsys) -> None:
    configs = [config_of(path) for path in TASK_FILES.glob("*.yaml")]
    assert {c["task"] for c in configs if "group" not in c} == TASK_NAMES
    groups = {c["group"]: c for c in configs if "group" in c}
    assert set(groups) == GROUPS
    assert {name for group in groups.values() for name in group["task"]} < TASK_NAMES
    assert main(["lmms-eval-path"]) == 0
    assert Path(capsys.readouterr().out.strip()) == TASK_FILES


def test_a_group_averages_one_metric_only() -> None:
    # lmms-eval averages every metric whose name holds the group's, and fails on an interval.
    for form in ("direct", "cot"):
        (averaged,) = config_of(TASK_FILES / f"vlm4d_{form}.yaml")["aggregate_metric_list"]
        for split in ("real", "synthetic"):
            metrics = config_of(TASK_FILES / f"vlm4d_{split}_{form}.yaml")["metric_list"]
            names = [metric["metric"] for metric in metrics]
            assert [name for name in names if averaged["metric"] in name] == [averaged["metric"]]


#: One question of each task: (question, target, a right answer).
SEVEN = [
    ("How far did the object in the red box go?", {"value_si": 10.0}, "12 m"),
    ("How fast was the object in the red box?", {"value_si": 10.0}, "36 km/h"),
    ("Which way does it move at the end?", {"clock": 3}, "Toward 3 o'clock."),
    ("When does it move toward 3 o'clock?", {"start_s": 1.0, "end_s": 5.0}, "From 1 s to 4 s."),
    ("Which went farther, the red or the blue box?", {"choice": "red"}, "The red one."),
    ("Which is faster, the red or the blue box?", {"choice": "red"}, "The red one."),
    ("Do both move in the same direction?", {"choice": "same"}, "Yes."),
]


def seven_docs() -> list[dict[str, Any]]:
    return [
        {
            "id": f"{clip}-{name}",
            "source": "toy",
            "clip_id": clip,
            "task": name.value,
            "question": question,
            "target": {"task": name.value, **target},
        }
        for clip in ("a", "b")
        for name, (question, target, _) in zip(TASKS, SEVEN, strict=True)
    ]


def test_stkit_scores_by_hand() -> None:
    config = config_of(TASK_FILES / "stkit_bench.yaml")
    # The second clip's answers: the first and last are wrong, the third cannot be read.
    second = ["20 m", "36 km/h", "Hard to say.", *(right for *_, right in SEVEN[3:6]), "No."]
    got = results_of(config, seven_docs(), [right for *_, right in SEVEN] + second)
    assert got["average_accuracy"] == pytest.approx((3 * 0.5 + 4) / 7)
    # Of two clips alone next to nothing is sure: t(0.975, 1) is 12.7.
    assert got["average_interval"] == pytest.approx([0.014, 0.999], abs=2e-3)
    assert got["coverage"] == pytest.approx(13 / 14)
    assert got["n"] == 14
    assert got["traveled_distance_accuracy"] == 0.5
    assert got["traveled_distance_interval"] == pytest.approx([0.0015, 0.9985], abs=5e-4)
    assert got["traveled_distance_mae_m"] == pytest.approx((2 + 10) / 2)
    assert got["traveling_speed_mae_kmh"] == pytest.approx(0.0)
    assert got["movement_direction_coverage"] == 0.5
    assert got["movement_direction_mae_clock_hours"] == 0.0
    assert got["direction_timestamp_mean_iou"] == pytest.approx(0.75)
    assert got["movement_direction_comparison_n"] == 2


def test_a_mean_over_fewer_than_seven_tasks_is_none() -> None:
    config = config_of(TASK_FILES / "stkit_bench.yaml")
    assert results_of(config, seven_docs()[:2], ["5 m"] * 2)["average_accuracy"] is None


def test_logged_items_hold_a_score_by_clip_and_no_video() -> None:
    config, docs = task("stkit_bench")
    assert "video" not in docs.column_names
    doc = docs[0]
    items = config["process_results"](doc, [doc["answer"]])
    own = items[f"{doc['task']}_accuracy"]
    assert own["score"] == 1.0
    assert own[config["cluster_key"]] == f"{doc['source']}/{doc['clip_id']}"
    assert "score" not in items["coverage"]


@pytest.mark.parametrize(("at_most", "n"), [(None, 10), (4, 4)])
def test_the_prompt_names_the_frames_that_are_shown(settings, at_most, n) -> None:
    if at_most:
        settings(STKIT_BENCH_MAX_FRAMES=str(at_most))
    config, docs = task("stkit_bench")
    doc = docs[0]
    (path,) = config["doc_to_visual"](doc)
    assert len(decode_mp4(Path(path).read_bytes())) == n
    text = config["doc_to_text"](doc)
    assert f"Number of frames shown: {n}," in text
    assert (text == doc["prompt"]) is (at_most is None)
    assert config["metadata"]["max_frames"] == at_most


def test_frames_as_pictures_at_a_lower_rate(settings) -> None:
    settings(STKIT_BENCH_VISUAL="frames", STKIT_BENCH_FPS="1", STKIT_BENCH_PARAPHRASED="1")
    config, docs = task("stkit_bench")
    pictures = config["doc_to_visual"](docs[0])
    assert [picture.size for picture in pictures] == [(320, 180)] * 5
    text = config["doc_to_text"](docs[0])
    assert "Number of frames shown: 5," in text
    assert docs[0]["question"] not in text


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("STKIT_BENCH_DATA", "", "set STKIT_BENCH_DATA to the folder"),
        ("STKIT_BENCH_DATA", "no/such", "STKIT_BENCH_DATA must name the folder"),
        ("STKIT_BENCH_VISUAL", "gif", "visual must be one of video, frames, got 'gif'"),
        ("STKIT_BENCH_MAX_FRAMES", "many", "STKIT_BENCH_MAX_FRAMES: "),
        ("STKIT_BENCH_MAX_FRAMES", "0", "max_frames must be at least 1, got 0"),
        ("STKIT_BENCH_FPS", "3", "fps must be one of"),
        ("STKIT_BENCH_PARAPHRASED", "yes", "STKIT_BENCH_PARAPHRASED: must be 0 or 1"),
    ],
)
def test_a_wrong_setting_is_named(settings, variable: str, value: str, rule: str) -> None:
    settings(**{variable: value})
    with pytest.raises((HarnessError, RunError, ValueError), match=rule):
        task("stkit_bench")


def test_vlm4d_scores_by_hand() -> None:
    config, docs = task("vlm4d_real_direct")
    assert docs["id"] == ["real/validation_1", "real/validation_2", "real/validation_930"]
    got = results_of(config, docs, ["A", "B", "it is hard to say"])
    assert got["question_accuracy"] == pytest.approx(1 / 3)
    assert got["coverage"] == pytest.approx(2 / 3)
    assert got["n"] == 3
    assert got["exocentric_accuracy"] == 0.5
    assert got["egocentric_accuracy"] == 0.0
    synthetic, docs = task("vlm4d_synthetic_cot")
    got = results_of(synthetic, docs, ["Final answer: A", "Final answer: C"])
    assert got["directional_accuracy"] == got["false_positive_accuracy"] == 1.0
    assert docs[0][synthetic["doc_to_text"]].endswith("right.")
    assert synthetic["doc_to_target"] in docs.column_names


def test_vlm4d_videos_are_named_or_missed(settings) -> None:
    config, docs = task("vlm4d_real_direct")
    assert [Path(path).name for path in config["doc_to_visual"](docs[0])] == ["1.mp4"]
    with pytest.raises(HarnessError, match=r"2\.mp4: no such video .*STKIT_VLM4D_ONLY_PRESENT=1"):
        config["doc_to_visual"](docs[1])
    settings(STKIT_VLM4D_ONLY_PRESENT="1")
    config, docs = task("vlm4d_real_direct")
    assert docs["id"] == ["real/validation_1"]
    assert config["metadata"]["only_present"] is True


def test_the_recipe_names_each_benchmark_of_the_papers() -> None:
    recipe = yaml.safe_load(TASK_FILES.with_name("general_video.yaml").read_text(encoding="utf-8"))
    tasks = recipe["tasks"].split(",")
    assert len(tasks) == len(set(tasks)) == 8
    for part in ("perception", "mvbench", "videomme", "mlvu", "nextqa", "charades", "activitynet"):
        assert any(part in name for name in tasks)
