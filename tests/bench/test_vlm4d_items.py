"""The official question files: what is read, what is flagged, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stkit_bench.files import FileError
from stkit_bench.vlm4d import load, prompts
from stkit_bench.vlm4d.items import Item

URL = "https://example.org/resolve/main/videos_real/davis/camel.mp4"


def entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    whole = {
        "id": f"validation_{number}",
        "video": URL,
        "question_type": "multiple-choice",
        "question": "Which way does the camel go? ",
        "choices": {"A": "left", "B": "right ", "C": "not moving", "D": "no camel there"},
        "answer": "right",
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def synthetic(number: int = 1, **changes: Any) -> dict[str, Any]:
    return entry(number, video="https://example.org/videos_synthetic/synth_001.mp4", **changes)


def write(path: Path, *entries: Any) -> Path:
    path.write_text(json.dumps(list(entries)), encoding="utf-8")
    return path


def one(tmp_path: Path, whole: dict[str, Any]) -> Item:
    (item,) = load(write(tmp_path / "real_mc.json", whole))
    return item


def test_a_question_is_read(tmp_path: Path) -> None:
    item = one(tmp_path, entry())
    assert item.id == "real/validation_1"
    assert item.official_id == "validation_1"
    assert item.video == "videos_real/davis/camel.mp4"
    assert item.question == "Which way does the camel go?"
    assert item.choices["B"] == "right"
    assert item.letters == ("B",)
    assert item.faults == ()
    assert item.is_right("B")
    assert not item.is_right("A")
    assert not item.is_right(None)


@pytest.mark.parametrize(
    ("whole", "group"),
    [
        (entry(1), "real_exocentric"),
        (entry(922), "real_exocentric"),
        (entry(923), "real_egocentric"),
        (synthetic(), "synthetic_directional"),
        (synthetic(answer="no camel there"), "synthetic_false_positive"),
        (synthetic(choices={"A": "no", "B": "yes"}, answer="no"), "synthetic_false_positive"),
        (synthetic(answer="not moving"), "synthetic_directional"),
    ],
)
def test_group(tmp_path: Path, whole: dict[str, Any], group: str) -> None:
    assert one(tmp_path, whole).group == group


@pytest.mark.parametrize(
    ("changes", "letters", "faults"),
    [
        ({"choices": {"A": 1, "B": 2}, "answer": 2}, ("B",), ("integer_options",)),
        ({"choices": {"A": "up", "B": "up"}, "answer": "up"}, ("A", "B"), ("equal_options",)),
        ({"choices": {"A": "Up", "B": "up"}, "answer": "up"}, ("B",), ("equal_options",)),
        ({"answer": "behind"}, (), ("answer_not_an_option",)),
    ],
)
def test_known_faults_are_flagged(
    tmp_path: Path, changes: dict[str, Any], letters: tuple[str, ...], faults: tuple[str, ...]
) -> None:
    item = one(tmp_path, entry(**changes))
    assert (item.letters, item.faults) == (letters, faults)


@pytest.mark.parametrize(
    ("whole", "rule"),
    [
        ("text", "item 0: must be an object, got str"),
        (entry(question=None), "key 'question' is missing"),
        (entry(question=" "), "question must be a text"),
        (entry(id="7"), "id must be 'validation_' and a number"),
        (entry(video="https://example.org/camel.mp4"), "video must end in videos_real"),
        (entry(video="https://example.org/videos_real/../../x.mp4"), "video must end in"),
        (entry(choices={"A": "left"}), "choices must be an object of two or more"),
        (entry(choices={"A": "left", "b": "right"}), "capital letters as keys, got 'b'"),
        (entry(choices={"A": "left", "B": ["right"]}), "choice B must be a text or a whole"),
        (entry(choices={"A": "left", "B": True}), "choice B must be a text or a whole"),
        (entry(answer=1.5), "answer must be a text or a whole number, got 1.5"),
        (entry(category=3), "category must be a text"),
    ],
)
def test_broken_items_are_named(tmp_path: Path, whole: Any, rule: str) -> None:
    path = write(tmp_path / "real_mc.json", whole)
    with pytest.raises(FileError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: item 0")
    assert rule in str(caught.value)


def test_a_repeated_id_and_a_foreign_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"item 1 \(id 'validation_1'\): id repeats that of item 0"):
        load(write(tmp_path / "a.json", entry(1), entry(1)))
    with pytest.raises(FileError, match=r"item 1 .* another split"):
        load(write(tmp_path / "b.json", entry(1), synthetic(2)))


@pytest.mark.parametrize(
    ("content", "rule"),
    [("{", "must be JSON"), ("{}", "must be a JSON list"), ("[]", "holds no questions")],
)
def test_broken_files_are_named(tmp_path: Path, content: str, rule: str) -> None:
    path = tmp_path / "real_mc.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FileError, match=rule):
        load(path)


def test_both_files_are_found_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"holds neither real_mc.json nor synthetic_mc.json"):
        load(tmp_path)
    write(tmp_path / "real_mc.json", entry())
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "synthetic_mc.json", synthetic())
    assert [item.id for item in load(tmp_path)] == [
        "real/validation_1",
        "synthetic/validation_1",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.json: cannot be read"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize("form", ["direct", "cot"])
def test_prompts_list_the_options(tmp_path: Path, form: str) -> None:
    text = prompts(one(tmp_path, entry()), form)
    assert "Which way does the camel go?\nA. left\nB. right\nC. not moving\nD. no camel" in text
    assert ("step by step" in text) == (form == "cot")
    assert prompts(entry(), form) == text.replace("go?\n", "go? \n")


def test_prompt_forms_are_listed_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one of direct, cot, got 'fast'"):
        prompts(one(tmp_path, entry()), "fast")


def test_official_files(shared_data) -> None:
    items = load(shared_data("vlm4d/data"))
    assert Counter(item.group for item in items) == {
        "real_exocentric": 922,
        "real_egocentric": 449,
        "synthetic_directional": 400,
        "synthetic_false_positive": 45,
    }
    assert Counter(fault for item in items for fault in item.faults) == {
        "integer_options": 232,
        "equal_options": 1,
    }
    (equal,) = [item for item in items if len(item.letters) != 1]
    assert (equal.id, equal.letters) == ("real/validation_633", ("C", "D"))
    egocentric = {item.group for item in items if "/ego4d/" in item.video}
    assert egocentric == {"real_egocentric"}
