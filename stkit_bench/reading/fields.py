"""JSON answers, written as the sentences that the rules read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stkit_datasets.tasks.names import Task

_SKIP = re.compile(
    r"reason|explan|thought|confiden|analys|step|note|justif|comment|assum|rationale|evidence"
    r"|thinking"
)
_START = re.compile(r"start|begin|^from|^t0|t_?1$|^s$|onset")
_END = re.compile(r"end|stop|^to$|finish|until|t_?2$|^e$")
_AT_FIRST = re.compile(r"initial|start|first|begin|reference|original")
_AT_LAST = re.compile(r"final|end|last")
_IS_UNIT = re.compile(
    r"(?:k?m|mi|ft)(?:/?(?:s|h|hr))?|mph|kph|mps|fps|(?:kilo)?met(?:er|re)s|feet|miles"
)
_UNIT_KEY = re.compile(r"unit")
_KEYS = {
    Task.TRAVELED_DISTANCE: re.compile(
        r"distance|answer|value|result|estimate|length|travel|total"
    ),
    Task.TRAVELING_SPEED: re.compile(r"speed|velocity|answer|value|result|estimate"),
    Task.MOVEMENT_DIRECTION: re.compile(r"clock|direction|answer|hour|result|heading"),
    Task.DIRECTION_TIMESTAMP: re.compile(r"time|interval|range|answer|period|span|segment|result"),
    Task.TRAVELED_DISTANCE_COMPARISON: re.compile(r"answer|choice|object|color|box|result|winner"),
    Task.TRAVELING_SPEED_COMPARISON: re.compile(r"answer|choice|object|color|box|result|winner"),
    Task.MOVEMENT_DIRECTION_COMPARISON: re.compile(r"answer|same|differ|direction|result|choice"),
}


def sentence_from_json(task: Task, value: object) -> str | None:
    """Write a parsed JSON value as one sentence for the task, None where nothing fits."""
    if task is Task.DIRECTION_TIMESTAMP:
        return _interval(value)
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    items = [(k, v) for k, v in _flat(value) if not _SKIP.search(k)]
    unit = next((str(v) for k, v in items if _UNIT_KEY.search(k) and isinstance(v, str)), "")
    items = [(k, v) for k, v in items if not _UNIT_KEY.search(k)]
    chosen = [(k, v) for k, v in items if _KEYS[task].search(k)] or items[:1]
    if task in (Task.TRAVELED_DISTANCE, Task.TRAVELING_SPEED):
        return _quantity(chosen, unit)
    if task is Task.MOVEMENT_DIRECTION_COMPARISON:
        return _same(chosen)
    if task is Task.MOVEMENT_DIRECTION:
        chosen = [(k, v) for k, v in chosen if not _AT_FIRST.search(k)] or chosen
        chosen = [(k, v) for k, v in chosen if _AT_LAST.search(k)] or chosen
    exact = [
        (k, v) for k, v in chosen if re.search(r"answer|choice|winner|result|clock", k)
    ] or chosen
    return "\n".join(f"{v}" for _, v in exact) or None


def _flat(value: dict[str, object], depth: int = 0) -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        if isinstance(item, dict) and depth < 4:
            if not _SKIP.search(key):
                yield from ((f"{key}.{k}", v) for k, v in _flat(item, depth + 1))
        elif isinstance(item, list) and len(item) == 1 and not isinstance(item[0], (dict, list)):
            yield key, item[0]
        elif isinstance(item, (str, int, float, bool)):
            yield key, item


def _quantity(chosen: list[tuple[str, object]], unit: str) -> str | None:
    for key, value in chosen:
        label = re.sub(r"[._]", " ", key)
        if isinstance(value, bool):
            continue
        if isinstance(value, (int, float)):
            return f"{label} is {value} {unit}" if unit else f"{label} ({_suffix(key)}): {value}"
        if isinstance(value, str) and re.search(r"\d", value):
            bare = re.fullmatch(r"[\d.,]+", value.strip())
            return f"{label} ({_suffix(key)}): {value} {unit if bare else ''}"
        if isinstance(value, str):
            return value
    return None


def _suffix(key: str) -> str:
    """Return the unit at the end of a key: "distance_m", "speed_km_per_h", "speed_kmh"."""
    last = key.rpartition(".")[2].replace("_per_", "/")
    if _IS_UNIT.fullmatch(last):
        return last
    tail = last.partition("_")[2]
    for name in (
        "in_",
        "estimate_",
        "traveled_",
        "distance_",
        "speed_",
        "total_",
        "average_",
        "si_",
    ):
        tail = tail.removeprefix(name)
    return tail.replace("_", "/")


def _same(chosen: list[tuple[str, object]]) -> str | None:
    for key, value in chosen:
        if isinstance(value, bool):
            if re.search(r"differ|opposite", key):
                return "different directions" if value else "same direction"
            if "same" in key:
                return "same direction" if value else "different directions"
            return "yes" if value else "no"
        if isinstance(value, str):
            negative = value.strip() in ("no", "false")
            if value.strip() in ("yes", "true", "no", "false") and "same" in key:
                return "different directions" if negative else "same direction"
            return value
    return None


def _interval(value: object) -> str | None:
    if isinstance(value, dict):
        items = [(k, v) for k, v in _flat(value) if not _SKIP.search(k)]
        starts = [v for k, v in items if _START.search(k.rpartition(".")[2])]
        ends = [v for k, v in items if _END.search(k.rpartition(".")[2])]
        if starts and ends and not isinstance(starts[0], bool) and starts[0] != ends[0]:
            return f"from {_time(starts[0])} to {_time(ends[0])}"
        texts = [v for _, v in items if isinstance(v, str)]
        lists = [_interval(v) for v in value.values() if isinstance(v, list)]
        return next((text for text in lists if text), None) or ("\n".join(texts) or None)
    if isinstance(value, list) and value:
        if len(value) == 2 and all(_is_time(v) for v in value):
            return f"from {_time(value[0])} to {_time(value[1])}"
        parts = [_interval(item) for item in value[:50] if isinstance(item, (dict, list))]
        return " ; ".join(part for part in parts if part) or None
    return None


def _is_time(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return True
    return isinstance(value, str) and bool(re.match(r"[\d:.]+ ?s?(?:ec\w*)?$", value.strip()))


def _time(value: object) -> str:
    text = str(value).strip()
    return f"{text} s" if re.fullmatch(r"[\d.]+", text) else text
