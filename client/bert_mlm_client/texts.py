"""Check texts and pairs of texts before they are tokenized."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bert_mlm_client.errors import InputError

__all__ = ["MASK", "Classifiable", "TextPair", "TextTypeError", "as_pair", "check_text"]

MASK = "[MASK]"

# Common misspellings of [MASK]: other case, full-width letters, spaces, other brackets or a missing bracket.
_MISSPELT = re.compile(
    r"""[\[［【]\s*[mｍ][aａ][sｓ][kｋ]\s*[\]］】]    # [mask], ［ＭＡＳＫ］, [ MASK ]
      | [<{＜｛]\s*[mｍ][aａ][sｓ][kｋ]\s*[>}＞｝]     # <mask>, as other models write it
      | \[[mｍ][aａ][sｓ][kｋ](?![a-zａ-ｚ\]])         # [MASK without its end
      | (?<![a-zａ-ｚ\[])(?-i:MASK|ＭＡＳＫ)\]         # MASK] without its beginning
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Control characters (category Cc) except tab, line feed and carriage return; and surrogates (Cs).
UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class TextTypeError(InputError, TypeError):
    """Raised if a text is not a str.

    For example None or NaN from a table.
    """


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts that are classified together.

    The field names are those of Hugging Face's pipeline.

    Attributes:
        text: the first text, for example a premise.
        text_pair: the second text, for example a hypothesis.
    """

    text: str
    text_pair: str


Classifiable = str | TextPair | Mapping[str, str]
"""Text, pair of texts, or Hugging Face's ``{"text": …, "text_pair": …}``."""


def check_text(text: str, *, masks: bool = True) -> None:
    """Check a text without a vocabulary.

    Args:
        text: the caller's text.
        masks: whether it needs a [MASK].

    Raises:
        InputError: the text is empty, has control characters, which the tokenizer would drop, or lone surrogates, which
            it cannot read; or it needs a [MASK] and has none or a misspelt one.
        TextTypeError: the text is not a str.
    """
    if not isinstance(text, str):
        msg = f"a text must be a str, not {type(text).__name__}"
        raise TextTypeError(msg)
    if not text.strip():
        msg = "the text is empty; write a sentence" + (" with [MASK] where a character is missing" if masks else "")
        raise InputError(msg)
    if unreadable := UNREADABLE.search(text):
        code = ord(unreadable[0])
        kind = "a lone surrogate" if code >= 0xD800 else "a control character"
        msg = f"character {unreadable.start() + 1} of the text is U+{code:04X}, {kind}; remove it"
        raise InputError(msg)
    if not masks:
        return
    if misspelt := _MISSPELT.search(text.replace(MASK, " ")):
        msg = f"the text has {misspelt[0]!r}; write a mask as [MASK], in capitals and square brackets"
        raise InputError(msg)
    if MASK not in text:
        msg = "the text has no [MASK]; write [MASK] where a character is missing"
        raise InputError(msg)


def as_pair(item: Classifiable) -> str | TextPair:
    """Return a text or pair to classify, checked.

    Raises:
        InputError: a text is invalid (see `check_text`), or a mapping has other fields than text and text_pair.
        TextTypeError: it is neither a text nor a pair.
    """
    if isinstance(item, Mapping):
        item = _from_fields(item)
    if isinstance(item, TextPair):
        for name in ("text", "text_pair"):
            try:
                check_text(getattr(item, name), masks=False)
            except InputError as error:
                error.args = (f"{name}: {error.args[0]}",)
                raise
        return item
    if isinstance(item, Sequence) and not isinstance(item, str):
        msg = f"a pair must be a TextPair, not a {type(item).__name__}; write TextPair(text, text_pair)"
        raise TextTypeError(msg)
    check_text(item, masks=False)
    return item


def _from_fields(fields: Mapping[str, str]) -> str | TextPair:
    if "text" not in fields or fields.keys() - {"text", "text_pair"}:
        named = ", ".join(map(repr, fields)) or "none"
        msg = f'the fields of a text to classify are "text" and "text_pair", not {named:.80}'
        raise InputError(msg)
    return TextPair(fields["text"], fields["text_pair"]) if "text_pair" in fields else fields["text"]
