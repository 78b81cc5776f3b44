"""Text out of the log, made safe to show: what users wrote may hold control characters and change directions."""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_REPLACEMENT = "\ufffd"


def plain(text: str) -> str:
    """Replace what a terminal or a browser would obey or hide instead of showing: one character for one."""
    return "".join(_REPLACEMENT if unicodedata.category(character) in _INVISIBLE else character for character in text)


def width(text: str) -> int:
    """Return how many columns a terminal takes for it: two for a Chinese character (Unicode Standard Annex 11)."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def shorten(text: str, columns: int) -> str:
    """Cut a text that is wider than this many columns, and say so with an ellipsis."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text + "…"
