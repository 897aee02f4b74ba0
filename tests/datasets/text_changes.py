"""Ways to break the text of a table, for tests of what a reader says then."""

from hypothesis import strategies as st
from source_checks import valid_or_source_error

ANY = ["", "0", "-1", "1e308", "5e-324", "nan", "inf", "x", "99999999999999999999", "1e9", "0.5"]


def cell(line, column, value, delimiter=","):
    """Return a change that sets one value; lines count from 1. A column is a name or a place."""

    def change(text):
        lines = text.split("\n")
        values = lines[line - 1].split(delimiter)
        place = column if isinstance(column, int) else lines[0].split(delimiter).index(column)
        values[place] = value
        lines[line - 1] = delimiter.join(values)
        return "\n".join(lines)

    return change


def renamed(column):
    """Return a change of the name of a column."""
    return lambda text: text.replace(column, "another", 1)


def without(line):
    """Return a change that leaves a line out."""
    return lambda text: "\n".join(text.split("\n")[: line - 1] + text.split("\n")[line:])


def no_rows(text):
    """Leave the names of the columns alone."""
    return text.split("\n")[0] + "\n"


def draw_bytes(data, text):
    """Draw a text with some bytes overwritten, perhaps cut off."""
    broken = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    return bytes(broken[: data.draw(st.none() | st.integers(0, len(broken)))])


def draw_value(data, text, delimiter=",", first_line=2):
    """Draw a text with one value replaced."""
    lines = text.split("\n")
    line = data.draw(st.integers(first_line, len(lines) - 1))
    column = data.draw(st.integers(0, len(lines[0].split(delimiter)) - 1))
    return cell(line, column, data.draw(st.sampled_from(ANY)), delimiter)(text).encode()


def check_with(path, text, broken, read):
    """Read with a file's contents replaced, then put them back."""
    try:
        path.write_bytes(broken)
        valid_or_source_error(read)
    finally:
        path.write_bytes(text.encode())
