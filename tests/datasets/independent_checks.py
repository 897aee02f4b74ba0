"""What must hold for a row, checked against an ``independent.Scene``: one function a rule.

Each check yields a sentence for every way in which the row and the scene disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from independent import (
    JITTER_S,
    Scene,
    clocks,
    displacement,
    heading_difference_deg,
    longest_run,
)
from independent_sentences import (
    COMPARED_VALUES,
    DECIMAL,
    SINGLE_VALUES,
    answer,
    prompt,
    quantities,
    question,
    rounds_to,
    run_of,
    seconds,
    tracks_of,
)

TOLERANCE = 1e-4
PIXELS = 0.05
TARGET_FIELDS = {
    "traveled_distance": {"value_si", "unit"},
    "traveling_speed": {"value_si", "unit"},
    "movement_direction": {"clock"},
    "direction_timestamp": {"clock", "start_s", "end_s"},
    "traveled_distance_comparison": {"choice"},
    "traveling_speed_comparison": {"choice"},
    "movement_direction_comparison": {"choice"},
}


# ---------------------------------------------------------------------------- the checks


def target(row: dict, scene: Scene) -> Iterator[str]:
    truth, task = row["target"], row["task"]
    used = {name for name, value in truth.items() if value is not None} - {"task"}
    if truth["task"] != task or used != TARGET_FIELDS[task]:
        yield f"target of {task} has {sorted(used)}"
        return
    if task in SINGLE_VALUES:
        (value,) = quantities(row, scene)
        if abs(value - truth["value_si"]) > TOLERANCE:
            yield f"value is {value}, the target says {truth['value_si']}"
    elif task in COMPARED_VALUES:
        values = quantities(row, scene)
        wanted = max(values) if row["polarity"] == "more" else min(values)
        color = row["objects"][values.index(wanted)]["color"]
        if truth["choice"] != color:
            yield f"{values} asked for {row['polarity']}: {color}, not {truth['choice']}"
    elif task == "movement_direction_comparison":
        one, other = (scene.centers(track, *run_of(row, scene)) for track in tracks_of(row))
        angle = heading_difference_deg(one, other)
        choice = "same" if angle <= 30 else "different" if angle >= 60 else "nothing"
        if truth["choice"] != choice:
            yield f"headings are {angle} degrees apart: {choice}, not {truth['choice']}"
    else:
        yield from _direction(row, scene)


def _direction(row: dict, scene: Scene) -> Iterator[str]:
    truth, (track,) = row["target"], tracks_of(row)
    first, last = scene.appearance(row["camera"], track)
    hours = clocks(scene.centers(track, first, last))
    if row["task"] == "movement_direction":
        if hours[-1] != truth["clock"]:
            yield f"the last step of {hours} is not {truth['clock']}"
        return
    steps = longest_run([hour == truth["clock"] for hour in hours])
    if steps is None:
        yield f"none of the steps {hours} is {truth['clock']}"
        return
    start, end = scene.times_s[first + steps[0]], scene.times_s[first + steps[1] + 1]
    if max(abs(start - truth["start_s"]), abs(end - truth["end_s"])) > TOLERANCE:
        yield f"{truth['clock']} o'clock lasts from {start} to {end} in {hours}"
    if end - start < 1.0 - JITTER_S:
        yield f"{truth['clock']} o'clock lasts {end - start} s only"


def boxes(row: dict, scene: Scene) -> Iterator[str]:
    for item in row["objects"]:
        expected = scene.boxes(row["camera"], item["track_id"])
        for k, (got, box) in enumerate(zip(item["boxes"], expected, strict=True)):
            if (got is None) != (box is None):
                yield f"frame {k}: box is {got}, not {box}"
            elif box is not None and box.wholly_in_front:
                off = max(abs(a - b) for a, b in zip(got, box.sides(), strict=True))
                if off > PIXELS:
                    yield f"frame {k}: box {got} is {off} px from {box}"
            if (item["occlusion"][k] is None) != (got is None):
                yield f"frame {k}: occlusion is {item['occlusion'][k]}, the box {got}"


def positions(row: dict, scene: Scene) -> Iterator[str]:
    for item in row["objects"]:
        if item["category"] != scene.categories[item["track_id"]]:
            yield f"category is {item['category']}"
        expected = scene.cuboids[item["track_id"]]
        for k, (got, cuboid) in enumerate(zip(item["centers_m"], expected, strict=True)):
            if (got is None) != (cuboid is None):
                yield f"frame {k}: centre is {got}, not {cuboid}"
            elif cuboid is not None and math.dist(got, cuboid.center) > TOLERANCE:
                yield f"frame {k}: centre {got} is not {cuboid.center}"


def run(row: dict, scene: Scene) -> Iterator[str]:
    """The run is the appearance, the shared time, or an interval that the question names."""
    camera, tracks, found = row["camera"], tracks_of(row), run_of(row, scene)
    seen = scene.appearance if len(tracks) == 1 else scene.together
    whole, least_s = seen(camera, *tracks), 2.0
    named = DECIMAL.findall(row["question"])
    if named:
        least_s = 1.0
        times = row["start_s"], row["end_s"]
        if row["task"] not in SINGLE_VALUES or len(named) != 2:
            yield "the question names an interval where none may be"
        elif not all(map(rounds_to, named, times)):
            yield f"the question names {named}, the run is {times}"
        if not whole[0] <= found[0] < found[1] <= whole[1]:
            yield f"interval {found} is not inside {whole}"
    elif found != whole:
        yield f"run is {found}, not {whole}"
    if seconds(scene, found) < least_s - JITTER_S:
        yield f"run lasts {seconds(scene, found)} s"


def gates(row: dict, scene: Scene) -> Iterator[str]:
    for track in tracks_of(row):
        if not scene.qualifies(row["camera"], track):
            yield f"{track} does not qualify"
    if row["task"] in COMPARED_VALUES:
        low, high = sorted(quantities(row, scene))
        gap = 1.0 if row["task"].startswith("traveled_distance") else 0.5
        if high < 1.2 * low or high - low < gap:
            yield f"{low} and {high} are too near to each other"
    if row["task"] in ("movement_direction", "movement_direction_comparison"):
        found = run_of(row, scene)
        for track in tracks_of(row):
            centers = scene.centers(track, *found)
            if row["task"] == "movement_direction" and math.dist(*centers[-2:]) < 0.25:
                yield f"{track} hardly moves in its last step"
            if displacement(centers) < 1.0:
                yield f"{track} hardly moves over {found}"
    if row["domain"] == "sports" and "direction" in row["task"]:
        yield "a direction question about sports"


def clip(row: dict, scene: Scene) -> Iterator[str]:
    view = scene.views[row["camera"]][0]
    if (row["width"], row["height"]) != (view.width, view.height):
        yield f"the image is {view.width} x {view.height}"
    off = [abs(a - b) for a, b in zip(row["timestamps_s"], scene.times_s, strict=True)]
    if max(off) > 1e-6 or row["fps"] != 2 or row["duration_s"] != len(off) / 2:
        yield "times of the frames"
    first, last = run_of(row, scene)
    in_view = max(
        sum(scene.boxes(row["camera"], track)[k] is not None for track in scene.cuboids)
        for k in range(first, last + 1)
    )
    count = "few" if in_view <= 5 else "several" if in_view <= 15 else "many"
    if (row["n_objects"], row["object_count"]) != (in_view, count):
        yield f"{in_view} objects in view ({count}), the row says {row['n_objects']}"


def tokens(row: dict, scene: Scene) -> Iterator[str]:
    first, last = run_of(row, scene)
    expected = [
        token
        for track in tracks_of(row)
        for cuboid in scene.cuboids[track][first : last + 1]
        for token in cuboid.tokens
    ]
    if row["provenance"]["tokens"] != expected:
        yield "the tokens are not those of the annotations of the run"


CHECKS: dict[str, Callable[[dict, Scene], Iterator[str]]] = {
    check.__name__: check
    for check in (
        *(target, boxes, positions, run, gates, question),
        *(answer, prompt, clip, tokens),
    )
}


def disagreements(check: str, rows: list[dict], scenes: dict[str, Scene]) -> list[str]:
    """All that one check finds, with the ids of the rows."""
    return [
        f"{row['id']} ({row['scene_id']} {row['camera']} {row['task']}): {problem}"
        for row in rows
        for problem in CHECKS[check](row, scenes[row["scene_id"]])
    ]


# ---------------------------------------------------------------------------- completeness


def expected_questions(scene: Scene, camera: str) -> set[tuple[str, str, int | None]]:
    """(track, task, clock) of all questions that a camera's moving objects must bring."""
    found: set[tuple[str, str, int | None]] = set()
    for track in scene.cuboids:
        if not scene.qualifies(camera, track):
            continue
        found |= {(track, task, None) for task in SINGLE_VALUES}
        first, last = scene.appearance(camera, track)
        hours = clocks(scene.centers(track, first, last))
        if hours[-1] is not None:
            found.add((track, "movement_direction", hours[-1]))
        for hour in set(hours) - {None}:
            steps = longest_run([each == hour for each in hours])
            span = first + steps[0], first + steps[1] + 1
            if seconds(scene, span) >= 1.0 - JITTER_S:
                found.add((track, "direction_timestamp", hour))
    return found


def asked_questions(
    rows: list[dict], scene: Scene, camera: str
) -> set[tuple[str, str, int | None]]:
    """The same of rows, without comparisons and without values over an interval."""
    return {
        (row["objects"][0]["track_id"], row["task"], row["target"]["clock"])
        for row in rows
        if (row["scene_id"], row["camera"]) == (scene.scene_id, camera)
        and len(row["objects"]) == 1
        and not (row["task"] in SINGLE_VALUES and DECIMAL.search(row["question"]))
    }
