from __future__ import annotations

import json
import pickle
import re
from itertools import chain

import pytest

from stkit_datasets.errors import ConfigError
from stkit_datasets.tasks.names import TASKS
from stkit_datasets.wording import (
    TASK_RULES,
    WordingError,
    direction_answer_group,
    fill,
    load_wording,
)

ONE_OBJECT = ("traveled_distance", "traveling_speed", "movement_direction", "direction_timestamp")

COUNTS = {
    "traveled_distance": ({"whole": 6, "interval": 6}, {"whole": 5, "interval": 5}),
    "traveling_speed": ({"whole": 6, "interval": 6}, {"whole": 5, "interval": 5}),
    "movement_direction": ({"whole": 5}, {"whole": 5}),
    "direction_timestamp": ({"whole": 5}, {"whole": 5}),
    "traveled_distance_comparison": ({"more": 6, "less": 6}, {"more": 5, "less": 5}),
    "traveling_speed_comparison": ({"more": 6, "less": 6}, {"more": 5, "less": 5}),
    "movement_direction_comparison": (
        {"same": 6, "different": 6},
        {
            "asked_same_is_same": 5,
            "asked_same_is_different": 5,
            "asked_different_is_same": 5,
            "asked_different_is_different": 5,
        },
    ),
}

MORE = {"more", "most", "farther", "farthest", "greater", "greatest", "larger", "longer"}
MORE |= {"longest", "higher", "highest", "faster", "fastest", "quicker", "quickest"}
LESS = {"less", "lesser", "least", "smaller", "smallest", "shorter", "shortest", "lower"}
LESS |= {"lowest", "slower", "slowest", "slowly"}
SAME = {"same", "match", "share", "both", "alike"}
DIFFERENT = {"different", "differ", "differs", "another"}


def words(sentence: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"\{.*?\}", "", sentence.lower())))


def sizes(groups) -> dict[str, int]:
    return {group: len(variants) for group, variants in groups.items()}


def slots(sentence: str) -> set[str]:
    return set(re.findall(r"\{(.*?)\}", sentence))


def asked(task) -> list[str]:
    return list(chain(*task.questions.values(), *task.paraphrases.values()))


def test_every_task_has_its_sentences():
    assert tuple(load_wording().tasks) == tuple(TASKS) == tuple(TASK_RULES)


@pytest.mark.parametrize("task", COUNTS)
def test_counts(task):
    wording = load_wording()[task]
    questions, answers = COUNTS[task]
    assert sizes(wording.questions) == sizes(wording.paraphrases) == questions
    assert sizes(wording.answers) == answers


@pytest.mark.parametrize("task", COUNTS)
def test_no_sentence_stands_twice(task):
    wording = load_wording()[task]
    every = [question.casefold() for question in asked(wording)]
    assert len(set(every)) == len(every)
    for variants in wording.answers.values():
        assert len({answer.casefold() for answer in variants}) == len(variants)


def closeness(one: str, other: str) -> float:
    """Share of the three-word runs of two sentences, slots and the box phrase left out."""

    def runs(sentence: str) -> set[tuple[str, ...]]:
        plain = re.sub(r"the objects? (in|boxed in) (the )?\{\w+\}( box)?|\{\w+\}", "", sentence)
        tokens = re.findall(r"[a-z]+", plain.lower())
        return set(zip(tokens, tokens[1:], tokens[2:], strict=False))

    a, b = runs(one), runs(other)
    return len(a & b) / max(1, len(a | b))


@pytest.mark.parametrize("task", COUNTS)
def test_a_paraphrase_is_clearly_different_from_every_question(task):
    wording = load_wording()[task]
    for group, paraphrases in wording.paraphrases.items():
        for paraphrase in paraphrases:
            for question in wording.questions[group]:
                assert closeness(paraphrase, question) < 0.3, (paraphrase, question)


@pytest.mark.parametrize("task", ONE_OBJECT)
def test_questions_about_one_object_name_its_box(task):
    for question in asked(load_wording()[task]):
        assert "the object in the {color} box" in question.lower()


@pytest.mark.parametrize("task", [task for task in COUNTS if task not in ONE_OBJECT])
def test_questions_about_two_objects_name_the_first_color_first(task):
    for question in asked(load_wording()[task]):
        assert slots(question) == {"color_a", "color_b"}
        assert question.index("{color_a}") < question.index("{color_b}")


def test_every_question_is_a_sentence_of_its_own():
    for task in load_wording().tasks.values():
        for sentence in chain(asked(task), *task.answers.values()):
            assert sentence == sentence.strip()
            assert sentence[0].isupper() or sentence[0] == "{"
            assert sentence[-1] in ".?"
            assert "  " not in sentence


def test_no_article_needs_to_know_its_color():
    common = vars(load_wording().common_prompt).values()
    for sentence in chain(common, *(asked(task) for task in load_wording().tasks.values())):
        assert not re.search(r"\b[Aa]n? \{", sentence)


def test_inches_never_meet_the_preposition():
    for task in ("traveled_distance", "traveling_speed"):
        for answer in chain(*load_wording()[task].answers.values()):
            assert not re.search(r"\{(distance|speed)\} in\b", answer)


@pytest.mark.parametrize("task", ["traveled_distance_comparison", "traveling_speed_comparison"])
@pytest.mark.parametrize(("group", "own", "opposite"), [("more", MORE, LESS), ("less", LESS, MORE)])
def test_magnitude_polarity(task, group, own, opposite):
    wording = load_wording()[task]
    for sentence in (
        *wording.questions[group],
        *wording.paraphrases[group],
        *wording.answers[group],
    ):
        assert words(sentence) & own, sentence
        assert not words(sentence) & opposite, sentence
    for answer in wording.answers[group]:
        assert slots(answer) == {"answer_color", "other_color"}


@pytest.mark.parametrize(
    ("group", "own", "opposite"),
    [("same", SAME, DIFFERENT), ("different", DIFFERENT, {"same", "match", "share", "alike"})],
)
def test_direction_polarity(group, own, opposite):
    wording = load_wording()["movement_direction_comparison"]
    for sentence in (*wording.questions[group], *wording.paraphrases[group]):
        assert words(sentence) & own, sentence
        assert not words(sentence) & opposite, sentence


@pytest.mark.parametrize(
    ("asked_about", "truth", "first", "own", "opposite"),
    [
        ("same", "same", "Yes,", SAME, DIFFERENT),
        ("same", "different", "No,", DIFFERENT, SAME),
        ("different", "same", "No,", SAME, DIFFERENT),
        ("different", "different", "Yes,", DIFFERENT, SAME),
    ],
)
def test_direction_answers_suit_the_question(asked_about, truth, first, own, opposite):
    group = direction_answer_group(asked_about, truth)
    for answer in load_wording()["movement_direction_comparison"].answers[group]:
        assert answer.startswith(first)
        assert words(answer) & own
        assert not words(answer) & opposite


def test_the_clock_convention_stands_where_it_is_needed():
    conventions = {name: task.convention for name, task in load_wording().tasks.items()}
    needing = {name for name, text in conventions.items() if text}
    assert needing == {"movement_direction", "direction_timestamp"}
    assert all("12 o'clock" in conventions[name] for name in needing)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(ConfigError, match="unknown task 'speed', expected one of traveled_dist"):
        load_wording()["speed"]
    with pytest.raises(ValueError, match="`truth` must be 'same' or 'different', got 'no'"):
        direction_answer_group("same", "no")


# A user's own sentences


def own_task(task: str = "traveled_distance") -> dict:
    """A smallest valid replacement, made anew for each test to break."""
    questions = {
        "whole": ["Total length, {color}?"],
        "interval": ["Length from {start} to {end}?"],
    }
    answers = {
        "whole": ["It is {distance}."],
        "interval": ["From {start} to {end}: {distance}."],
    }
    return {"task": task, "questions": questions, "answers": answers}


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_file_replaces_its_task_alone(tmp_path):
    ours, theirs = load_wording(), load_wording(write(tmp_path / "mine.json", own_task()))
    assert theirs["traveled_distance"].questions["whole"] == ("Total length, {color}?",)
    assert theirs["traveled_distance"].answers["interval"] == (
        "From {start} to {end}: {distance}.",
    )
    assert theirs["traveled_distance"].paraphrases == ours["traveled_distance"].paraphrases
    assert theirs["traveling_speed"] == ours["traveling_speed"]
    assert theirs.fingerprint != ours.fingerprint
    assert load_wording().fingerprint == ours.fingerprint


def test_a_folder_and_a_list_replace_several(tmp_path):
    clock = {
        "task": "movement_direction",
        "questions": {"whole": ["Where to?"]},
        "paraphrases": {"whole": ["Whither?"]},
        "answers": {"whole": ["{clock}"]},
    }
    common = {"video": "{seconds}/{frames}/{times}", "one_object": "{color}"}
    common["two_objects"] = "{color_a}+{color_b}"
    write(tmp_path / "a.json", [own_task(), clock])
    write(tmp_path / "b.json", {"common_prompt": common})
    wording = load_wording(tmp_path)
    assert wording["movement_direction"].questions == {"whole": ("Where to?",)}
    assert wording["movement_direction"].paraphrases == {"whole": ("Whither?",)}
    assert (
        wording["movement_direction"].convention == load_wording()["movement_direction"].convention
    )
    assert wording["traveled_distance"].questions["whole"] == ("Total length, {color}?",)
    assert wording.common_prompt.one_object == "{color}"


def test_a_wording_crosses_process_borders():
    assert pickle.loads(pickle.dumps(load_wording())) == load_wording()  # noqa: S301


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda d: d["questions"]["interval"].append("From {start} to {stop}?"),
            r"mine.json: questions.interval\[1\]: unknown slot \{stop\}, "
            r"allowed here: \{color\}, \{end\}, \{start\}",
        ),
        (
            lambda d: d["questions"]["interval"].append("From {start}?"),
            r"questions.interval\[1\]: lacks slot \{end\}, allowed here: \{color\}, \{end\}",
        ),
        (
            lambda d: d["answers"]["whole"].append("{distance.__class__}"),
            r"answers.whole\[1\]: a brace that is not part of a slot, allowed here: \{color\}",
        ),
        (
            lambda d: d["answers"]["whole"].append("{{distance}}"),
            r"answers.whole\[1\]: a brace that is not part of a slot",
        ),
        (
            lambda d: d["questions"]["whole"].append("How far does [COLOR] go?"),
            r"questions.whole\[1\]: \[COLOR\] is no slot: slots are written in braces",
        ),
        (lambda d: d["questions"].pop("whole"), "questions: lacks 'whole', expected whole, int"),
        (lambda d: d["answers"].update(most=["a"]), "answers: unknown group 'most', expected who"),
        (lambda d: d["answers"].update(whole=[]), "answers.whole: expected a list of at least one"),
        (lambda d: d["answers"].update(whole="a"), "answers.whole: expected a list of at least"),
        (lambda d: d["answers"]["whole"].append(" "), r"answers.whole\[1\]: expected a sentence"),
        (
            lambda d: d["answers"]["whole"].append(3),
            r"answers.whole\[1\]: expected a sentence, got 3",
        ),
        (lambda d: d.pop("answers"), "answers: expected an object with whole, interval"),
        (lambda d: d.update(paraphrases={}), "paraphrases: lacks 'whole'"),
        (lambda d: d.update(question={}), "unknown key 'question', expected task, questions"),
        (
            lambda d: d.update(convention="{color}"),
            r"convention: unknown slot \{color\}, allowed here: none",
        ),
        (
            lambda d: d.update(task="speed"),
            "task: expected one of traveled_distance, .*got 'speed'",
        ),
        (lambda d: d.update(task=[]), r"task: expected one of .*got \[\]"),
    ],
)
def test_broken_sentences_are_named(tmp_path, change, says):
    document = own_task()
    change(document)
    with pytest.raises(WordingError, match=says):
        load_wording(write(tmp_path / "mine.json", document))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"task": ', "mine.json: expected JSON in UTF-8"),
        (b"\xff\xfe{", "mine.json: expected JSON in UTF-8"),
        (b"[" * 100_000, "mine.json: expected JSON in UTF-8"),
        (b"[]", "expected a JSON object, or a list of at least one"),
        (b"3", "expected a JSON object, or a list of at least one"),
        (b'{"common_prompt": {}}', "common_prompt: lacks 'video', expected video, one_object"),
        (b'{"common_prompt": {}, "task": ""}', "expected the key 'common_prompt' and no other"),
    ],
)
def test_broken_files_are_named(tmp_path, content, says):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(WordingError, match=says):
        load_wording(path)


def test_missing_empty_and_contradicting_files_are_named(tmp_path):
    with pytest.raises(WordingError, match=r"none\.json: expected a JSON file or a folder"):
        load_wording(tmp_path / "none.json")
    with pytest.raises(WordingError, match=r"at least one \*\.json file"):
        load_wording(tmp_path)
    write(tmp_path / "a.json", own_task())
    write(tmp_path / "b.json", own_task())
    with pytest.raises(
        WordingError, match=r"b\.json: 'traveled_distance' is given already in .*a\.json"
    ):
        load_wording(tmp_path)


# Filling


@pytest.mark.parametrize(
    ("sentence", "values", "expected"),
    [
        ("From {start} to {end}.", {"start": "1.00", "end": "2.00"}, "From 1.00 to 2.00."),
        ("{color} and {color}", {"color": "red"}, "Red and red"),
        ("no slot", {"color": "red"}, "no slot"),
        ("a {color}", {"color": "{end}", "end": "x"}, "a {end}"),
        ("a {color.__class__}", {"color": "red"}, "a {color.__class__}"),
    ],
)
def test_fill(sentence, values, expected):
    assert fill(sentence, values) == expected


def test_fill_names_the_missing_value():
    with pytest.raises(
        ValueError, match=r"no value for slot \{end\} in 'to \{end\}', got \{start\}"
    ):
        fill("to {end}", {"start": "1"})
