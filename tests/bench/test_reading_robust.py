"""Any text is read without an exception, the same way twice, and in little time."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_bench.reading import Reading, Reason, read_response
from stkit_datasets.tasks.names import TASKS

WORDS = st.sampled_from(
    [
        "the",
        "object",
        "red",
        "blue",
        "box",
        "moved",
        "12.5",
        "m",
        "3",
        "o'clock",
        "from",
        "to",
        "between",
        "and",
        "s",
        "seconds",
        "-5",
        "1,200",
        "km/h",
        "faster",
        "than",
        "not",
        "same",
        "different",
        "directions",
        "half",
        "twenty",
        "**",
        "{",
        "}",
        "[",
        "]",
        ":",
        ".",
        ",",
        "\n",
        "\\boxed{",
        "</think>",
        "<answer>",
        '"start":',
        "1/0",
        "½",
        "±",
        "1e999",
        "until",
        "end",
        "yes",
        "no",
        "final",
        "answer:",
        "°",
        "°",
        "0:03",
        "$",
        "\\frac{1}{0}",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(WORDS, max_size=40).map(" ".join),
    st.lists(WORDS, max_size=40).map("".join),
)


def assert_consistent(task: str, reading: Reading) -> None:
    filled = [
        name
        for name in ("value_si", "clock", "start_s", "end_s", "choice")
        if getattr(reading, name) is not None
    ]
    if not reading.readable:
        assert filled == []
        assert reading.reason in set(Reason)
    elif task in ("traveled_distance", "traveling_speed"):
        assert filled == ["value_si"]
        assert reading.value_si is not None
        assert 0 <= reading.value_si < float("inf")
    elif task == "movement_direction":
        assert filled == ["clock"]
        assert reading.clock in range(1, 13)
    elif task == "direction_timestamp":
        assert filled == ["start_s", "end_s"]
        assert reading.start_s is not None
        assert reading.end_s is not None
        assert 0 <= reading.start_s <= reading.end_s
    else:
        assert filled == ["choice"]


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=150, deadline=None)
@given(response=TEXTS, question=st.one_of(st.none(), TEXTS))
def test_any_text(task: str, response: str, question: str | None) -> None:
    reading = read_response(task, response, question)
    assert reading == read_response(task, response, question)
    assert_consistent(task, reading)


@settings(max_examples=200, deadline=None)
@given(
    value=st.floats(min_value=0.5, max_value=9999),
    unit=st.sampled_from(
        [("m", 1.0), ("meters", 1.0), ("cm", 0.01), ("km", 1000.0), ("ft", 0.3048),
         ("feet", 0.3048), ("in", 0.0254), ("inches", 0.0254), ("miles", 1609.34), ("mi", 1609.34)]
    ),
    sentence=st.sampled_from(
        ["The total distance traveled by this object is {}.", "{}",
         "Between 3.50 and 17.00 seconds, this one traveled a total of {}.",
         "From 1.00 to 9.50 seconds, the object moved {} over 20 frames.", "So about {}."]
    ),
)  # fmt: skip
def test_distances_come_back(value: float, unit: tuple[str, float], sentence: str) -> None:
    name, size = unit
    response = sentence.format(f"{value:.2f} {name}")
    reading = read_response("traveled_distance", response)
    assert reading.value_si == pytest.approx(float(f"{value:.2f}") * size, rel=1e-9), response


@settings(max_examples=200, deadline=None)
@given(
    value=st.floats(min_value=0.1, max_value=500),
    unit=st.sampled_from(
        [("m/s", 1.0), ("meters per second", 1.0), ("km/h", 1 / 3.6),
         ("kilometers per hour", 1 / 3.6),
         ("mph", 1.60934 / 3.6), ("miles per hour", 1.60934 / 3.6), ("ft/s", 0.3048),
         ("feet per second", 0.3048)]
    ),
    sentence=st.sampled_from(
        ["Its mean speed from 1.00 to 1.50 seconds is {}.", "{}", "**{}**",
         "Over 10 s it covers 80 m, so its average speed is {}."]
    ),
)  # fmt: skip
def test_speeds_come_back(value: float, unit: tuple[str, float], sentence: str) -> None:
    name, size = unit
    response = sentence.format(f"{value:.2f} {name}")
    reading = read_response("traveling_speed", response)
    assert reading.value_si == pytest.approx(float(f"{value:.2f}") * size, rel=1e-9), response


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 60).map(lambda k: k / 2),
    steps=st.integers(1, 60),
    clock=st.integers(1, 12),
    sentence=st.sampled_from(
        ["From {a:.2f} to {b:.2f} seconds, it is heading toward the {c} o'clock direction.",
         "It moves in the direction of {c} o'clock between {a:.2f} and {b:.2f} seconds.",
         "{a:.1f} s - {b:.1f} s", "{a:.2f}s, {b:.2f}s", '{{"start": {a}, "end": {b}}}']
    ),
)  # fmt: skip
def test_intervals_come_back(start: float, steps: int, clock: int, sentence: str) -> None:
    end = start + steps / 2
    reading = read_response("direction_timestamp", sentence.format(a=start, b=end, c=clock))
    assert (reading.start_s, reading.end_s) == (start, end)


def test_an_unknown_task_names_the_tasks() -> None:
    with pytest.raises(ValueError, match=r"'speed'.*traveled_distance, traveling_speed"):
        read_response("speed", "8 m/s")


@pytest.mark.parametrize("response", [12.5, b"12 m", ["12 m"], {"distance": 12}])
def test_only_text_is_read(response: object) -> None:
    with pytest.raises(TypeError, match="response"):
        read_response("traveled_distance", response)  # type: ignore[arg-type]


ADVERSARIAL = {
    "commas": "1," * 50_000,
    "words": "a " * 50_000,
    "parentheses": "(" * 50_000,
    "braces": "{" * 50_000,
    "nested json": '{"a":' * 10_000,
    "brackets": "[1," * 30_000,
    "digits": "9" * 100_000,
    "spaces": " " * 100_000 + "x",
    "newlines": "\n" * 100_000,
    "number words": "twenty " * 20_000,
    "hundreds": "hundred and " * 10_000,
    "ranges": "1 to " * 20_000,
    "dashes": "1-" * 50_000,
    "units": "5 m " * 25_000,
    "clocks": "3 o'clock " * 10_000,
    "colors": "red blue " * 10_000,
    "than": "than the red " * 8_000,
    "not": "not " * 25_000,
    "stars": "*" * 100_000,
    "boxes": "\\boxed{" * 15_000,
    "thoughts": "<think>" * 15_000,
    "answers": "<answer>" * 12_000,
    "final answers": "final answer: " * 8_000,
    "starts": "starts at 1 " * 8_000,
    "times": "1:00 " * 20_000,
    "refusals": "i cannot determine " * 6_000,
    "quotes": "'" * 100_000,
    "slashes": "1/" * 50_000,
    "ligatures": "\ufdfa" * 20_000,
    "dots": "1." * 50_000,
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_long_hostile_texts_are_read_in_linear_time(name: str) -> None:
    for task in TASKS:
        started = time.perf_counter()
        assert_consistent(task, read_response(task, ADVERSARIAL[name]))
        # Quadratic backtracking takes minutes here; the bound leaves room for a busy machine.
        assert time.perf_counter() - started < 3.0, task


def test_a_long_response_is_read_by_its_ends() -> None:
    filler = "The scene shows a street. " * 4000
    assert read_response("traveled_distance", filler + "Final answer: 12 m").value_si == 12.0
    assert read_response("traveled_distance", "It moved 12 m. " + filler).value_si == 12.0


def test_importing_the_reader_is_light() -> None:
    code = (
        "import sys; import stkit_bench.reading; "
        "heavy = {'torch', 'datasets', 'evaluate', 'transformers', 'av', 'pandas'} &"
        " set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
