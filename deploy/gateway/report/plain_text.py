"""Make texts of the log safe to show.

Users' texts may contain control characters and change the text direction.
"""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_REPLACEMENT = "\ufffd"


def plain(text: str) -> str:
    """Replace each control and invisible character."""
    return "".join(_REPLACEMENT if unicodedata.category(character) in _INVISIBLE else character for character in text)


def width(text: str) -> int:
    """Return the width of a text in terminal columns.

    A Chinese character has two (Unicode Standard Annex 11).
    """
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def shorten(text: str, columns: int) -> str:
    """Truncate a text to a width with an ellipsis."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text + "…"
