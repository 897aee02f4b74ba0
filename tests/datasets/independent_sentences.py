"""What must hold for the sentences of a row, each check as in ``independent_checks``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from independent import Scene, distance

SINGLE_VALUES = ("traveled_distance", "traveling_speed")
COMPARED_VALUES = ("traveled_distance_comparison", "traveling_speed_comparison")

UNITS: dict[str, tuple[float, tuple[str, ...]]] = {
    "m": (1.0, ("m", "meters")),
    "cm": (0.01, ("cm", "centimeters")),
    "km": (1000.0, ("km", "kilometers")),
    "ft": (0.3048, ("ft", "feet")),
    "in": (0.0254, ("in", "inches")),
    "mi": (1609.344, ("mi", "miles")),
    "m/s": (1.0, ("m/s", "meters per second")),
    "km/h": (1 / 3.6, ("km/h", "kilometers per hour")),
    "mph": (1.60934 / 3.6, ("mph", "miles per hour")),
    "ft/s": (0.3048, ("ft/s", "feet per second")),
}
UNIT_OF_WORD = {word: unit for unit, (_, words) in UNITS.items() for word in words}
QUANTITY = re.compile(
    r"([\d,]+\.\d\d) (" + "|".join(sorted(map(re.escape, UNIT_OF_WORD), key=len)[::-1]) + r")\b"
)
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "cyan", "magenta")
COLOR = re.compile(rf"\b({'|'.join(COLORS)})\b")
LESS = re.compile(r"\b(less|lesser|least|shorter|smaller|slower|slowest|lower)\b")
DIFFERENT = re.compile(r"\b(different|differs?|another)\b")
DECIMAL = re.compile(r"(?<![\d.])\d+\.\d\d(?!\d)")
INTEGER = re.compile(r"(?<![\d.])\d+(?![\d]|\.\d)(?! o'clock)")


def run_of(row: dict, scene: Scene) -> tuple[int, int]:
    return scene.frame(row["start_s"]), scene.frame(row["end_s"])


def tracks_of(row: dict) -> list[str]:
    return [item["track_id"] for item in row["objects"]]


def seconds(scene: Scene, run: tuple[int, int]) -> float:
    return scene.times_s[run[1]] - scene.times_s[run[0]]


def quantities(row: dict, scene: Scene) -> list[float]:
    """Metres, or metres per second, of each object over the row's run."""
    run = run_of(row, scene)
    found = [distance(scene.centers(track, *run)) for track in tracks_of(row)]
    if row["task"].startswith("traveling_speed"):
        found = [metres / seconds(scene, run) for metres in found]
    return found


def rounds_to(written: str, value: float, unit_si: float = 1.0) -> bool:
    """Whether a number written with two decimals is the value.

    Rows keep six decimals in SI units, so that a value is rounded twice on its way to a sentence.
    """
    return abs(float(written.replace(",", "")) - value) <= 0.005 + 0.6e-6 / unit_si


def question(row: dict, scene: Scene) -> Iterator[str]:
    colors = [item["color"] for item in row["objects"]]
    if COLOR.findall(row["question"]) != colors or len(set(colors)) != len(colors):
        yield f"colours are {colors}"
    if (f"{row['target']['clock']} o'clock" in row["question"]) != (
        row["task"] == "direction_timestamp"
    ):
        yield "the clock belongs into a question about times, and into no other"
    if row["task"] in COMPARED_VALUES:
        polarity = "less" if LESS.search(row["question"]) else "more"
    elif row["task"] == "movement_direction_comparison":
        polarity = "different" if DIFFERENT.search(row["question"]) else "same"
    else:
        polarity = None
    if row["polarity"] != polarity:
        yield f"polarity {row['polarity']}, the question asks for {polarity}"


def answer(row: dict, scene: Scene) -> Iterator[str]:
    text, truth, task = row["answer"], row["target"], row["task"]
    named = COLOR.findall(text)
    if not set(named) <= {item["color"] for item in row["objects"]}:
        yield f"colours {named} in the answer"
    if task in SINGLE_VALUES:
        spoken = [(number, UNIT_OF_WORD[word]) for number, word in QUANTITY.findall(text)]
        if len(spoken) != 1 or spoken[0][1] != truth["unit"]:
            yield f"one value in {truth['unit']} expected, got {spoken}"
        else:
            (value,), (unit_si, _) = quantities(row, scene), UNITS[truth["unit"]]
            if not rounds_to(spoken[0][0], value / unit_si, unit_si):
                yield f"{spoken[0]} is not {value} in SI units"
        times = DECIMAL.findall(QUANTITY.sub("", text))
        if times not in ([], DECIMAL.findall(row["question"])):
            yield f"times {times} in the answer are not those of the question"
    elif task in COMPARED_VALUES:
        other = [item["color"] for item in row["objects"] if item["color"] != truth["choice"]]
        if named != [truth["choice"], *other]:
            yield f"colours {named}, expected {truth['choice']} and then {other}"
        if bool(LESS.search(text)) != (row["polarity"] == "less"):
            yield f"the answer does not fit the polarity {row['polarity']}"
    elif task == "movement_direction_comparison":
        word = "Yes" if truth["choice"] == row["polarity"] else "No"
        if not re.match(rf"{word}\b", text):
            yield f"expected {word}"
        if bool(DIFFERENT.search(text)) != (truth["choice"] == "different"):
            yield f"the answer does not say {truth['choice']}"
    else:
        if re.findall(r"(\d+) o'clock", text) != [str(truth["clock"])]:
            yield f"the answer does not say {truth['clock']} o'clock"
        times = [truth["start_s"], truth["end_s"]] if task == "direction_timestamp" else []
        spoken = DECIMAL.findall(text)
        if len(spoken) != len(times) or not all(map(rounds_to, spoken, times)):
            yield f"the answer does not say {times}"


def prompt(row: dict, scene: Scene) -> Iterator[str]:
    common, _, last = row["prompt"].rpartition("\n")
    n_frames = len(scene.times_s)
    times = [0.5 * n_frames, *scene.times_s]
    spoken = DECIMAL.findall(common)
    if last != row["question"] or INTEGER.findall(common) != [str(n_frames)]:
        yield f"the prompt must give {n_frames} frames and then the question"
    if len(spoken) != len(times) or not all(map(rounds_to, spoken, times)):
        yield f"the prompt must give the length and the times of all frames {times}"
    if COLOR.findall(common) != [item["color"] for item in row["objects"]]:
        yield "the prompt must name the colours"
    user = {"role": "user", "content": [("video", None), ("text", row["prompt"])]}
    assistant = {"role": "assistant", "content": [("text", row["answer"])]}
    found = [
        {**message, "content": [(part["type"], part["text"]) for part in message["content"]]}
        for message in row["messages"]
    ]
    if found != [user, assistant]:
        yield "messages must be the video, the prompt, and the answer"
