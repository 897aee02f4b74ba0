"""The evaluate module, run as a user runs it: in a process of its own, offline, from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("evaluate")

PACKAGE = Path(__file__).resolve().parents[2] / "stkit_bench"

DATA = """
TARGET = dict(value_si=None, unit=None, clock=None, start_s=None, end_s=None, choice=None)
ROWS = [
    dict(id="a", source="s", clip_id="1", question="How far does the object in the red box go?",
         task="traveled_distance",
         target={**TARGET, "task": "traveled_distance", "value_si": 10.0, "unit": "m"}),
    dict(id="b", source="s", clip_id="1", question="How fast is the object in the red box?",
         task="traveling_speed",
         target={**TARGET, "task": "traveling_speed", "value_si": 10.0, "unit": "m/s"}),
    dict(id="c", source="s", clip_id="2", question="Where does it go at the end?",
         task="movement_direction",
         target={**TARGET, "task": "movement_direction", "clock": 12}),
    dict(id="d", source="s", clip_id="2", question="When does it move toward 3 o'clock?",
         task="direction_timestamp",
         target={**TARGET, "task": "direction_timestamp", "start_s": 1.0, "end_s": 5.0}),
    dict(id="e", source="s", clip_id="3", question="Which went farther, the red or the blue one?",
         task="traveled_distance_comparison",
         target={**TARGET, "task": "traveled_distance_comparison", "choice": "red"}),
    dict(id="f", source="s", clip_id="3", question="Which is faster, the red or the blue one?",
         task="traveling_speed_comparison",
         target={**TARGET, "task": "traveling_speed_comparison", "choice": "blue"}),
    dict(id="g", source="s", clip_id="4", question="Do both move in the same direction?",
         task="movement_direction_comparison",
         target={**TARGET, "task": "movement_direction_comparison", "choice": "same"}),
]
ANSWERS = ["It traveled 12 meters.", "About 36 km/h.", "Toward 1 o'clock.", None,
           "The red object.", "", "Yes, they move in the same direction."]
"""


def environment(tmp_path: Path, **extra: str) -> dict[str, str]:
    dropped = ("HF_", "STKIT_NO", "PYTHONSAFEPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {
        **kept,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_EVALUATE_OFFLINE": "1",
        **extra,
    }


def start(code: str, tmp_path: Path, cwd: Path | None = None, **extra: str):
    folder = cwd or tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", DATA + textwrap.dedent(code)],
        cwd=folder,
        env=environment(tmp_path, **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


def run(code: str, tmp_path: Path, cwd: Path | None = None, **extra: str) -> str:
    return finish(start(code, tmp_path, cwd, **extra))


WHOLE = """
    import json
    import stkit_bench
    import evaluate
    metric = evaluate.load("stkit_bench")
    result = metric.compute(predictions=ANSWERS, references=stkit_bench.references(ROWS), seed=1)
    print(json.dumps(result, allow_nan=False))
"""


def test_the_literal_name_from_any_folder_in_two_processes_at_once(tmp_path):
    both = [start(WHOLE, tmp_path) for _ in range(2)]
    first, second = (json.loads(finish(process)) for process in both)
    assert first == second
    assert first["average_accuracy"] == pytest.approx(4 / 7)
    assert len(first["average_accuracy_interval"]) == 2
    assert (first["n"], first["n_clusters"], first["n_unanswered"]) == (7, 4, 1)
    assert first["coverage"] == pytest.approx(5 / 7)
    assert first["unread"] == {"empty": 1}
    assert first["reader"]["version"]
    distance = first["traveled_distance"]
    assert (distance["accuracy"], distance["mae"], distance["mae_unit"]) == (1.0, 2.0, "m")
    assert first["movement_direction"]["mae"] == 1.0
    assert first["direction_timestamp"]["mean_iou"] == 0.0
    assert first["traveling_speed"]["accuracy"] == 1.0
    assert first["seed"] == 1


def test_every_way_to_load_and_to_add(tmp_path):
    out = run(
        """
        import sys
        from evaluate import load
        import evaluate
        import stkit_bench
        import datasets
        references = stkit_bench.references(datasets.Dataset.from_list(ROWS))

        def accuracies(result):
            return [result[row["task"]]["accuracy"] for row in ROWS]

        metric = load("stkit_bench")
        expected = accuracies(metric.compute(predictions=ANSWERS, references=references))
        assert expected == [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0], expected

        metric = evaluate.load(stkit_bench.module_path())
        metric.add_batch(predictions=ANSWERS[:3], references=references[:3])
        metric.add_batch(predictions=ANSWERS[3:], references=references[3:])
        assert accuracies(metric.compute(n_resamples=10)) == expected

        metric = evaluate.load("stkit_bench", keep_in_memory=True)
        for answer, row in zip(ANSWERS, ROWS):
            metric.add(prediction=answer, reference=row)
        assert accuracies(metric.compute()) == expected

        combined = evaluate.combine(["stkit_bench", evaluate.load("stkit_bench")])
        result = combined.compute(predictions=ANSWERS, references=references)
        names = [k for k in result if k.endswith("average_accuracy")]
        assert len(names) == 2, names
        combined = evaluate.combine([evaluate.load("stkit_bench")])
        for answer, row in zip(ANSWERS, references):
            combined.add(answer, row)
        assert accuracies(combined.compute()) == expected

        bare = [{**row["target"], "question": row["question"]} for row in ROWS]
        result = evaluate.load("stkit_bench").compute(predictions=ANSWERS, references=bare)
        assert accuracies(result) == expected

        result = evaluate.load("stkit_bench").compute(predictions=[], references=[])
        assert result["n"] == 0 and result["average_accuracy"] is None
        one = evaluate.load("stkit_bench").compute(predictions=[None], references=references[:1])
        assert one["traveled_distance"]["coverage"] == 0.0
        assert one["average_accuracy"] is None and len(one["missing_tasks"]) == 6

        for predictions, rows, rule in [
            (ANSWERS[:2], references, "same length, got 2 and 7"),
            ([3.0], references[:1], "predictions[0] must be a text"),
            (["x"], [3.0], "references[0] must be a dict"),
            (["x"], [{"task": "traveled_distance"}], "value_si must be a finite number"),
            (["x"], [{"question": "?"}], "references[0]: task must be a text"),
        ]:
            try:
                evaluate.load("stkit_bench").compute(predictions=predictions, references=rows)
            except ValueError as error:
                assert rule in str(error), error
            else:
                raise AssertionError(rule)
        print("all", load is evaluate.load)
        """,
        tmp_path,
    )
    assert out == "all True\n"


def test_from_inside_the_package_folder(tmp_path):
    out = run(WHOLE, tmp_path, cwd=PACKAGE)
    assert json.loads(out)["n"] == 7


def test_without_the_registration(tmp_path):
    out = run(
        """
        import stkit_bench, evaluate
        assert not hasattr(evaluate.loading.evaluation_module_factory, "_stkit_wrapped")
        try:
            evaluate.load("stkit_bench")
        except FileNotFoundError:
            pass
        else:
            raise AssertionError("found without registration")
        metric = evaluate.load(stkit_bench.module_path())
        print(metric.compute(predictions=ANSWERS, references=ROWS, n_resamples=0)["n"])
        """,
        tmp_path,
        STKIT_NO_REGISTRATION="1",
    )
    assert out == "7\n"


def test_evaluate_keeps_its_other_names_and_its_loader(tmp_path):
    out = run(
        """
        import sys, stkit_bench, importlib
        assert "evaluate" not in sys.modules
        import evaluate, evaluate.loading, inspect
        assert "def load(" in inspect.getsource(evaluate.loading)
        assert type(evaluate.loading.__loader__).__name__ == "SourceFileLoader"
        assert not any("stkit" in type(f).__module__ for f in sys.meta_path)
        importlib.reload(sys.modules["stkit_bench.registration"]).register()
        factory = evaluate.loading.evaluation_module_factory
        assert factory._stkit_wrapped
        assert not hasattr(factory.__wrapped__, "_stkit_wrapped")
        assert evaluate.inspect.evaluation_module_factory is factory
        try:
            evaluate.load("no_such_metric_here")
        except FileNotFoundError as error:
            print("no_such_metric_here" in str(error))
        """,
        tmp_path,
    )
    assert out == "True\n"


def test_the_import_is_light(tmp_path):
    out = run(
        """
        import sys, time
        begin = time.perf_counter()
        import stkit_bench
        took = time.perf_counter() - begin
        heavy = {"torch", "datasets", "pandas", "evaluate", "pyarrow", "numpy"} & set(sys.modules)
        assert not heavy, heavy
        assert callable(stkit_bench.references) and callable(stkit_bench.read_response)
        assert stkit_bench.__version__
        assert set(stkit_bench.__all__) <= set(dir(stkit_bench))
        for name in stkit_bench.__all__:
            getattr(stkit_bench, name)
        assert "torch" not in sys.modules and "datasets" not in sys.modules
        print(took < 0.5)
        """,
        tmp_path,
    )
    assert out == "True\n"
