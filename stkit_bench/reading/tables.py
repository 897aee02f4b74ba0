"""Markdown tables, written as one line of text a row."""

from __future__ import annotations

import re
from collections.abc import Iterable

_RULE = re.compile(r"[ |:=+-]*-[ |:=+-]*")
#: The unit that a column's head gives: "distance (m)", "speed [km/h]", "time in s".
_UNIT = re.compile(r"[(\[] ?([a-z][a-z/. ^·-]{0,18}?) ?[)\]]$|\bin ([a-z/]{1,14})$")
_NUMBERS_ONLY = re.compile(r"(?=.*\d)[\d.,~<> -]*(?:to[\d., ]+)?")


def write_out(text: str) -> str:
    """Write every table row as a line: "red: 22 m", "total, time (s): 11.5 s, distance (m): 28 m".

    A cell of numbers takes the unit of its column's head. Bars outside of tables become semicolons.
    """
    lines = text.split("\n")
    written: list[str] = []
    heads: list[str] | None = None
    for index, line in enumerate(lines):
        if "|" not in line:
            heads = None
            written.append(line)
        elif heads is None and index + 1 < len(lines) and _is_rule(lines[index + 1]):
            heads = _cells(line)
        elif heads is not None:
            if not _is_rule(line):
                written.append(_row(heads, _cells(line)))
        else:
            written.append(line.replace("|", " ; "))
    return "\n".join(written)


def _is_rule(line: str) -> bool:
    return "|" in line and _RULE.fullmatch(line.strip()) is not None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(heads: list[str], cells: list[str]) -> str:
    named = [_with_unit(cell, head) for cell, head in zip(cells, heads, strict=False)]
    if len(named) <= 2:
        return ": ".join(_filled(named))
    labelled = [
        f"{head}: {cell}" if head else cell
        for cell, head in zip(named[1:], heads[1:], strict=False)
        if cell
    ]
    return ", ".join(_filled([named[0], *labelled]))


def _filled(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part]


def _with_unit(cell: str, head: str) -> str:
    if not _NUMBERS_ONLY.fullmatch(cell):
        return cell
    unit = _UNIT.search(head)
    return f"{cell} {unit.group(1) or unit.group(2)}" if unit else cell
