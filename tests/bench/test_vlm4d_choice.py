"""The option a response settles on, as a person would read it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_bench.vlm4d import READER_VERSION, read_choice

WAYS = {"A": "not moving", "B": "left", "C": "right", "D": "no bus there"}
COUNTS = {"A": 1, "B": 2, "C": 3, "D": 0}
CORNERS = {"A": "top", "B": "top left", "C": "left"}
YES = {"A": "neither", "B": "no", "C": "yes"}
THINGS = {"A": "Nothing", "B": "A pedestrian", "C": "A car"}
HANDS = {"A": "Both", "B": "Left", "C": "Right", "D": "Neither"}

MARKED = [
    ("Therefore, the final answer is: B", "B"),
    ("Therefore, the final answer is B", "B"),
    ("Therefore, the final answer is: \n- B", "B"),
    (r"The final answer is $\boxed{D}$", "D"),
    (r"$\boxed{\text{B}}$", "B"),
    ("The answer is (B).", "B"),
    ("Answer: **B) left**", "B"),
    ("**Answer:** B", "B"),
    ("ANSWER: B", "B"),
    ("Final Answer: \n\n**C**", "C"),
    ("### Final Answer\nB", "B"),
    ("<answer>B</answer>", "B"),
    ('{"answer": "B"}', "B"),
    ("答案：B", "B"),
    ("因此，最终答案是：B。", "B"),
    ("<think>A? no, C.</think>B", "B"),
    ("The correct option is B, left.", "B"),
    ("The best answer is B.", "B"),
    ("I would choose B", "B"),
    ("Option A is correct.", "A"),
    ("Based on this, option C is the most accurate.", "C"),
    ("Answer: left (B)", "B"),
    ("The final answer is \\( B \\).", "B"),
    ("Therefore, the final answer is: $B", "B"),
    ("Therefore, the final answer is: $LETTER B", "B"),
    ("I first thought the answer is A. No: the final answer is: C", "C"),
    ("Since C is wrong, the answer is B, because it leaves on that side.", "B"),
    ("The answer is not C but B.", "B"),
    ("The correct answer is left.", "B"),
    ('The answer is "left".', "B"),
    ("Therefore, the final answer is: A bus is moving to the left.", "B"),
]
LINES = [
    ("B", "B"),
    ("B.", "B"),
    ("b", "B"),
    ("(b) left", "B"),
    ("[B]", "B"),
    ("**B**", "B"),
    ("B) left", "B"),
    ("B: left", "B"),
    ("B - left", "B"),
    ("B left", "B"),
    ("Ｂ", "B"),
    ("option B", "B"),
    ("left", "B"),
    ("Left.", "B"),
    ("B\n\nExplanation: the bus moves left, not right.", "B"),
    ("B. The car is moving to the left, since it leaves on that side.", "B"),
]
SENTENCES = [
    ("moving left", "B"),
    ("leftwards", "B"),
    ("from left to right", "C"),
    ("not right but left", "B"),
    ("It is not moving left; it moves right.", "C"),
    ("The bus on the left moves to the right.", "C"),
    ("The right bus is moving to the left.", "B"),
    ("A bus is moving to the left.", "B"),
    ("The bus is not moving.", "A"),
    ("It is stationary.", "A"),
    ("There is no bus in the video.", "D"),
    ("There are no buses visible.", "D"),
    ("The bus is not visible. Therefore, the bus is not going anywhere.", "D"),
    ("So, the bus is moving right, i.e. option C.", "C"),
]
NOTHING = [
    "",
    "   \n",
    "A and C",
    "A or B",
    "Answer: A/B",
    "A, B, C, D",
    "Answer: C\nD",
    "B.A.",
    "None of the above",
    "The final answer is: none of the above",
    "Therefore, the final answer is: N/A",
    "Therefore, the final answer is: $LETTER",
    "Therefore, the final answer is",
    "The final answer is: B (if it goes left), C (if it goes right)",
    "- If it goes left, the answer is: B\n- If it goes right, the answer is: C",
    "I'm sorry, I can't assist with that.",
    "A. not moving\nB. left\nC. right\nD. no bus there",
    "The options are not moving, left, right, no bus there.",
    "To determine whether the bus moves left or right, we look at the frames. In frame 1",
]
CONTRADICTED = [
    "The final answer is: B: right.",
    "B: right",
    "So it is:\n\nB) right\n\nTherefore, the final answer is: B",
]


@pytest.mark.parametrize(("response", "letter"), MARKED + LINES + SENTENCES)
def test_option_that_is_settled_on(response: str, letter: str) -> None:
    assert read_choice(response, WAYS) == letter


@pytest.mark.parametrize("response", NOTHING)
def test_nothing_is_settled_on(response: str) -> None:
    assert read_choice(response, WAYS) is None


@pytest.mark.parametrize("response", CONTRADICTED)
def test_letter_with_another_options_words_settles_nothing(response: str) -> None:
    assert read_choice(response, WAYS) is None


@pytest.mark.parametrize(
    ("response", "choices", "letter"),
    [
        ("two", COUNTS, "B"),
        ("2", COUNTS, "B"),
        ("B", COUNTS, "B"),
        ("Answer: 3 times", COUNTS, "C"),
        ("The man jumps three times.", COUNTS, "C"),
        ("He jumps only once.", COUNTS, "A"),
        ("He jumps twice.", COUNTS, "B"),
        ("Once the man lands, he jumps twice.", COUNTS, "B"),
        ("There are three; one of them is red.", COUNTS, "C"),
        ("There are three children. Therefore, none of them is leaving.", COUNTS, "D"),
        ("zero", COUNTS, "D"),
        ("top", CORNERS, "A"),
        ("top left", CORNERS, "B"),
        ("It moves to the top left corner", CORNERS, "B"),
        ("No.", YES, "B"),
        ("No, it does not.", YES, "B"),
        ("Neither of them.", YES, "A"),
        ("She is not moving closer to the oven.", YES, "B"),
        ("A pedestrian", THINGS, "B"),
        ("A: Nothing", THINGS, "A"),
        ("A car crosses.", THINGS, "C"),
        ("He lifts it with his left hand.", HANDS, "B"),
        ("He holds it in his left hand.", {"A": "Right", "B": "Left", "C": "Up"}, None),
        ("It goes anti-clockwise.", {"A": "clockwise", "B": "counter-clockwise"}, "B"),
        ("It goes clockwise.", {"A": "counterclockwise", "B": "clockwise"}, "B"),
        ("It moves upward.", {"A": "upwards", "B": "down"}, "A"),
        ("It is going farther away.", {"A": "closer", "B": "further away"}, "B"),
        ("The dog comes towards the camera.", {"A": "going away", "B": "coming closer"}, "B"),
        ("It is diving into the water.", {"A": "coming out", "B": "diving in"}, "B"),
        ("away", {"A": "up", "C": "away", "D": "away"}, "C"),
        ("D", {"A": "up", "C": "away", "D": "away"}, "D"),
        ("C and D", {"A": "up", "C": "away", "D": "away"}, None),
        ("A: left to right", {"A": "left", "B": "left to right"}, None),
        ("The car is approaching the camera.", {"A": "away", "B": "towards the camera"}, "B"),
        ("The car is driving away.", {"A": "away from the camera", "B": "left"}, "A"),
        ("The person is not rotating.", {"A": "clockwise", "B": "not spinning"}, "B"),
        ("There are no cars moving left.", COUNTS, "D"),
        ("They move towards each other.", {"A": "towards", "B": "towards each other"}, "B"),
        ("b", {"a": "up", "b": "down"}, "b"),
        ("B", {"A": "", "B": ""}, "B"),
        ("E", {"A": "up", "E": "none"}, "E"),
    ],
)
def test_other_options(response: str, choices: dict[str, object], letter: str | None) -> None:
    assert read_choice(response, choices) == letter


def test_reasoning_that_names_every_option_gives_way_to_its_conclusion() -> None:
    reasoning = (
        "Option A: not moving - wheels turn, so it is out.\nOption B: left - possible.\n"
        "Option C: right - the bus gets closer to the right edge.\nOption D: no bus there - no.\n"
    )
    assert read_choice(f"{reasoning}Therefore, the bus is moving right.", WAYS) == "C"


def test_response_that_breaks_off_is_read_by_its_last_claim() -> None:
    text = "Let us see. " * 30 + "The frames clearly show the bus moving left.\nNext, I will loo"
    assert read_choice(text, WAYS) == "B"


def test_response_that_gives_up_settles_nothing() -> None:
    weighed = "- A: not moving - unlikely.\n- B: left - the wheels show to the left side.\n" * 5
    text = f"{weighed}The frames show it on the left. So we cannot determine where it goes."
    assert read_choice(text, WAYS) is None


def test_options_that_are_weighed_claim_nothing() -> None:
    text = "The frames show the bus moving right.\n" + "Looking closer. " * 60
    assert (
        read_choice(f"{text}\n- A: not moving - clearly not.\n- B: left - it appears", WAYS) == "C"
    )


def test_no_response_is_none() -> None:
    assert read_choice(None, WAYS) is None


@pytest.mark.parametrize("choices", [{}, {"AB": "x"}, {"a": "x", "A": "y"}, {"1": "x"}])
def test_keys_must_be_different_letters(choices: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="single letters"):
        read_choice("A", choices)


def test_response_must_be_text() -> None:
    with pytest.raises(TypeError, match="string or None, got int"):
        read_choice(3, WAYS)  # type: ignore[arg-type]


PIECES = (
    *("A", "B", "C", "D", "a", "b", "left", "right", "not", "moving", "the", "answer", "is", ":"),
    *(".", ",", "(", ")", "\n", "**", "$", "or", "and", "if", "final", "option", "no", "there"),
    *("\\boxed{", "}", "<answer>", "</think>", "two", "2", "toward", "from", "to", "答案", "N/A"),
)
WORDS = st.sampled_from(PIECES)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join) | st.text(max_size=300))
def test_any_text_gives_a_letter_or_none_and_always_the_same(text: str) -> None:
    letter = read_choice(text, WAYS)
    assert letter is None or letter in WAYS
    assert read_choice(text, dict(WAYS)) == letter


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from("ABCD"), st.text(max_size=20) | st.integers(0, 99), min_size=1),
    st.data(),
)
def test_letter_alone_is_always_read(choices: dict[str, object], data: st.DataObject) -> None:
    letter = data.draw(st.sampled_from(sorted(choices)))
    expected = {k for k, v in choices.items() if str(v).strip().upper() == letter} or {letter}
    assert read_choice(f"Therefore, the final answer is: {letter}", choices) in expected


@pytest.mark.parametrize(
    "piece", ["answer is ", "if ", "not ", "**", "A or ", "(", "\\boxed{", "left to ", "\n", "答案"]
)
def test_hostile_repetition_is_read_in_little_time(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    begin = time.perf_counter()
    read_choice(text, WAYS)
    assert time.perf_counter() - begin < 2.0


def test_reading_loads_the_standard_library_only() -> None:
    code = "import sys, stkit_bench.vlm4d; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert loaded & {"numpy", "pandas", "pyarrow", "datasets", "torch"} == set()


def test_reader_has_a_version() -> None:
    assert READER_VERSION.count(".") == 2
