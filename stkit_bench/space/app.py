"""The Space's page: read one response, or score many."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
# This folder holds stkit_bench.py, which Python would take for the package.
sys.path[:] = [path for path in sys.path if Path(path or os.curdir).resolve() != _HERE]
if (_HERE / "package").is_dir():
    sys.path.insert(0, str(_HERE / "package"))

import gradio as gr  # noqa: E402

from stkit_bench.metric import result_dict  # noqa: E402
from stkit_bench.reading import READER_VERSION, read_response  # noqa: E402
from stkit_bench.rows import reference  # noqa: E402
from stkit_datasets.tasks.names import TASKS  # noqa: E402

_MAX_RESPONSES = 20_000
_EXAMPLES = [
    ["traveled_distance", "How far did the object in the red box go?", "Roughly 100 feet in all."],
    ["movement_direction", "Which way is it moving at the end?", "It heads towards 3 o'clock."],
    [
        "traveling_speed_comparison",
        "Which is slower, the object in the red box or the one in the blue box?",
        "The blue one is faster.",
    ],
]
_PREDICTIONS = '["It went about 12.5 meters.", null]'
_REFERENCES = (
    '[{"task": "traveled_distance", "value_si": 12.0},\n'
    ' {"task": "movement_direction", "clock": 3}]'
)


def read(task: str, question: str, response: str) -> dict[str, Any]:
    """Return what one response says, or the reason why it says nothing."""
    return asdict(read_response(task, response, question.strip() or None))


def score(predictions: str, references: str) -> dict[str, Any]:
    """Score responses against references, both JSON lists or one JSON value a line."""
    try:
        responses = [_response(value) for value in _values(predictions, "predictions")]
        given = _values(references, "references")
        if len(responses) != len(given):
            raise ValueError(f"{len(responses)} predictions, but {len(given)} references")
        if len(given) > _MAX_RESPONSES:
            raise ValueError(f"at most {_MAX_RESPONSES} at a time, got {len(given)}")
        targets = [_target(value, place) for place, value in enumerate(given)]
        return result_dict(responses, targets)
    except ValueError as error:
        raise gr.Error(str(error)) from error


def _values(text: str, name: str) -> list[Any]:
    try:
        if text.lstrip().startswith("["):
            values = json.loads(text)
        else:
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{name} must be a JSON list, or one JSON value a line: {error}"
        ) from error
    return list(values)


def _response(value: Any) -> str | None:
    told = value.get("response") if isinstance(value, dict) else value
    if told is not None and not isinstance(told, str):
        raise ValueError(f"a prediction must be a text, null or have a `response`, got {value!r}")
    return told


def _target(value: Any, place: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"references[{place}] must be an object, got {value!r}")
    return reference(value, f"references[{place}]")


with gr.Blocks(title="STKit-Bench") as page:
    gr.Markdown(
        "# STKit-Bench\n"
        "Free-text answers about motion in video, read by fixed rules "
        f"(version {READER_VERSION}) and scored. No model judges; nothing is kept."
    )
    with gr.Tab("Read one response"):
        task = gr.Dropdown([name.value for name in TASKS], value=TASKS[0].value, label="Task")
        question = gr.Textbox(label="Question (gives units and polarity; may be empty)")
        response = gr.Textbox(label="Response", lines=3)
        reading = gr.JSON(label="Reading")
        inputs = [task, question, response]
        gr.Button("Read", variant="primary").click(read, inputs, reading, api_name="read")
        gr.Examples(_EXAMPLES, inputs, cache_examples=False)
    with gr.Tab("Score many"):
        predictions = gr.Textbox(_PREDICTIONS, label="Predictions: JSON list or JSONL", lines=6)
        references = gr.Textbox(_REFERENCES, label="References: JSON list or JSONL", lines=6)
        scores = gr.JSON(label="Scores")
        pasted = [predictions, references]
        gr.Button("Score", variant="primary").click(score, pasted, scores, api_name="score")

if __name__ == "__main__":
    page.launch()
