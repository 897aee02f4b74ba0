"""One spelling for the many ways in which models write the same text.

The result is lower case with plain quotes, dashes, spaces and superscripts ("m·s⁻¹" becomes
"m·s^-1", "3½" becomes "3 1/2"); LaTeX commands are written out. Boxed answers are kept between
``BOX_OPEN`` and ``BOX_CLOSE``.
"""

from __future__ import annotations

import re
import unicodedata

from .tables import write_out

#: A longer response is read by its first and last half of this many characters.
MAX_CHARACTERS = 20_000

BOX_OPEN, BOX_CLOSE = "\ue000", "\ue001"

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT_RUN = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5",
    "⅗": "3/5", "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8",
    "⅞": "7/8",
}  # fmt: skip
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("’‘‛ʼ´′＇`", "'"),
        **dict.fromkeys("“”‟″«»„＂", '"'),
        **dict.fromkeys("–‒‐‑−﹣－⁃", "-"),
        **dict.fromkeys("—―", " - "),
        **dict.fromkeys("≈∼≃≅～≒", "~"),
        **dict.fromkeys("⋅∙", "·"),
        **dict.fromkeys("✕✖⨯", "×"),
        **dict.fromkeys("º˚", "°"),
        **dict.fromkeys("⁄∕", "/"),
        **dict.fromkeys("→⟶⇒➔➡", ">"),
        **dict.fromkeys("•●▪◦‣", "*"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
        **{mark: f" {plain}" for mark, plain in _VULGAR.items()},
    }
)
_NUMERIC_DASH = re.compile(r"(?<=\d)\s*[—―]\s*(?=\d)")

# Qwen, InternVL and GLM sometimes answer an English question in Chinese.
_CJK = re.compile(r"[\u4e00-\u9fff]")
_CJK_WORDS = [
    (re.compile(pattern), f" {plain} ")
    for pattern, plain in (
        (r"(?:公里|千米)\s*(?:/|每)\s*(?:小时|時)", "km/h"),
        (r"米\s*(?:/|每)\s*秒", "m/s"),
        (r"(?:公里|千米)", "km"),
        (r"(?:厘米|公分)", "cm"),
        (r"(?:英尺|呎)", "ft"),
        (r"(?:英里|哩)", "mi"),
        (r"(?:米|公尺)", "m"),
        (r"(?:点钟|點鐘|点|點)(?:方向)?", "o'clock"),
        (r"秒", "s"),
        (r"(?:最终答案|答案)(?:是|为|:|：)?", "final answer:"),
        (r"大约|约|大概", "about"),
        (r"到|至", "to"),
        (r"红", "red"), (r"蓝", "blue"), (r"绿", "green"), (r"黄", "yellow"),
        (r"橙", "orange"), (r"紫", "purple"), (r"青", "cyan"),
        (r"不(?:相)?同", "different"), (r"相同|同一", "same"), (r"相反", "opposite"),
        (r"[。！？]", ". "), (r"[，、；]", ", "),
    )
]  # fmt: skip

_LATEX_TEXT = re.compile(
    r"\\(?:text|mathrm|mathbf|textbf|textit|mathit|mathsf|operatorname|mbox|si|unit|bf|rm)"
    r"\s*\{([^{}]*)\}"
)
_LATEX_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LATEX_BOX = re.compile(r"\\f?boxed\s*\{([^{}]*)\}")
_LATEX_POWER = re.compile(r"\^\s*\{\s*([-+]?\s*\d+)\s*\}")
_LATEX_DEGREE = re.compile(r"\^\s*\{?\s*\\circ\s*\}?")
_LATEX_SPACES = re.compile(r"\\[,;:! ]|\\q?quad|\\left|\\right")
_LATEX_WORDS = {
    r"\approx": "~", r"\sim": "~", r"\simeq": "~", r"\times": "×", r"\cdot": "·", r"\pm": "±",
    r"\div": "/", r"\rightarrow": ">", r"\to": ">", r"\degree": "°", r"\circ": "°",
    r"\leq": "<=", r"\geq": ">=",
}  # fmt: skip
_LATEX_WORD = re.compile(r"\\([a-zA-Z]+)")
_LATEX_DELIMITERS = re.compile(r"\\[()\[\]]|\$+")

_BOX_TAGS = re.compile(r"<\|(begin|end)_of_box\|>")
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|<br\s*/?>|&nbsp;")
_DOTTED_UNITS = ("sec", "ft", "yd", "yds", "mi", "min", "hr", "cm", "km")
# A plain substring test comes first: most texts hold none of these.
_ABBREVIATIONS = [
    (needle, re.compile(pattern), plain)
    for needle, pattern, plain in (
        ("approx", r"\bapprox(?:\.|\b)", "approximately"),
        ("vs", r"\bvs\.?(?!\w)", "versus"),
        ("avg", r"\bavg\.?(?!\w)", "average"),
        ("colour", r"\bcolour", "color"),
        ("travell", r"\btravell", "travel"),
    )
]
#: Whether any of the next is there: a search for a dot is quick.
_DOTTED = re.compile(
    r"\.(?:(?<=\bc\.) *\d|(?<=\bca\.) *\d|\s?[ge]\.|(?<=\best\.)|m\.|/"
    r"|(?:(?<=sec\.)|(?<=min\.)|(?<=ft\.)|(?<=yd\.)|(?<=yds\.)|(?<=mi\.)|(?<=hr\.)|(?<=[ck]m\.))\s+[a-z])"
)
_DOTTED_ABBREVIATIONS = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\bc\. *(?=\d)", "about "),
        (r"\bca\. *(?=\d)", "about "),
        (r"\be\.\s?g\.", "for example"),
        (r"\bi\.\s?e\.", "that is"),
        (r"\best\.(?!\w)", "estimated"),
        (r"\bp\.m\.|\ba\.m\.", ""),
        (r"\b(km|m|ft|mi)\./", r"\1/"),
        (rf"\b({'|'.join(_DOTTED_UNITS)})\.(?=\s+[a-z])", r"\1"),
    )
]
_MARKS = re.compile(r"\*\*|__|~~")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])")
_BULLET = re.compile(
    r"^[ \t]*(?:[-*+·>]+[ \t]+|#{1,6}[ \t]*|\(?\d{1,2}[.)][ \t]+(?=[^\d\s]))", re.MULTILINE
)
_STEP = re.compile(r"\b(?:step|phase|part|section)\s*#?\d+\s*[:.)-]?")
# No answer has so many digits, and matching them costs time.
_LONG_DIGITS = re.compile(r"[0-9][0-9]{15}")  # opens with one digit: quick to look for
_LONG_FRACTION = re.compile(r"(\.\d{15})\d+")
_LONG_NUMBER = re.compile(r"\d{40,}")
_TICK_IN_CLOCK = re.compile(r"(?<=[oO])`(?=[cC])")
_SPACE_HINTS = ("  ", "\t", "\r", "\f", "\v", "\u00a0")
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]{2,}|[\t\r\f\v\u00a0]")


def cap(text: str) -> str:
    """Cut a text that is too long to its first and its last ``MAX_CHARACTERS / 2`` characters."""
    if len(text) <= MAX_CHARACTERS:
        return text
    half = MAX_CHARACTERS // 2
    return f"{text[:half]}\n{text[-half:]}"


def _superscript(match: re.Match[str]) -> str:
    return "^" + match.group().translate(_SUPERSCRIPTS)


def _latex(text: str) -> str:
    text = _LATEX_SPACES.sub(" ", text.replace("{,}", ","))
    text = _LATEX_POWER.sub(r"^\1", _LATEX_DEGREE.sub("°", text))
    for _ in range(3):  # commands nest: \boxed{\text{12 m}}
        text = _LATEX_TEXT.sub(r" \1 ", text)
        text = _LATEX_FRACTION.sub(r"(\1)/(\2)", text)
    text = _LATEX_BOX.sub(rf" {BOX_OPEN}\1{BOX_CLOSE} ", text)
    text = _LATEX_WORD.sub(lambda m: _LATEX_WORDS.get(m.group(), " "), text)
    return _LATEX_DELIMITERS.sub(" ", text)


def normalize(text: str) -> str:
    """Return the text in the one spelling that every rule reads, markdown kept."""
    text = cap(text)
    if "`" in text:
        text = _TICK_IN_CLOCK.sub("'", text).replace("```", "\n").replace("`", "")
    if not text.isascii():
        text = _NUMERIC_DASH.sub("-", text)
        text = _SUPERSCRIPT_RUN.sub(_superscript, text).translate(_CHARACTERS)
        if _CJK.search(text):
            for pattern, plain in _CJK_WORDS:
                text = pattern.sub(plain, text)
        text = cap(unicodedata.normalize("NFKC", text))
    if "<" in text:
        text = _BOX_TAGS.sub(lambda m: BOX_OPEN if m.group(1) == "begin" else BOX_CLOSE, text)
        text = _SPECIAL_TOKEN.sub(" ", text)
    if "\\" in text or "$" in text:
        text = _latex(text)
    text = text.lower()
    if not text.isascii():  # NFKC and lower() bring some of them back
        text = text.translate(_CHARACTERS)
    if _LONG_DIGITS.search(text):
        text = _LONG_NUMBER.sub("1e999", _LONG_FRACTION.sub(r"\1", text))
    for needle, pattern, replacement in _ABBREVIATIONS:
        if needle in text:
            text = pattern.sub(replacement, text)
    if _DOTTED.search(text):
        for pattern, replacement in _DOTTED_ABBREVIATIONS:
            text = pattern.sub(replacement, text)
    if any(space in text for space in _SPACE_HINTS):
        text = _SPACES.sub(" ", text)
    return text.strip()


def plain(text: str) -> str:
    """Return a normalised text without markdown, list numbers and step numbers."""
    text = _MARKS.sub("", text)
    if "*" in text:
        text = _BULLET.sub("", text)
        text = _ITALIC.sub("", text)
    text = _BULLET.sub("", text)
    text = _STEP.sub("", text) if "step" in text or "phase" in text else text
    if "|" in text:
        text = write_out(text)
    return text.replace(BOX_OPEN, " ").replace(BOX_CLOSE, " ")
