"""Find gaps, the runs of adjacent masks."""

from collections.abc import Sequence
from typing import NamedTuple

from bert_mlm_client.tokens import Encoded, Span


class Gap(NamedTuple):
    """Run of adjacent masks.

    Attributes:
        first: the index of its first mask among the text's masks.
        end: one past the last.
        span: its span in the text, with the spaces between its masks.
    """

    first: int
    end: int
    span: Span


def find_gaps(encoded: Encoded) -> list[Gap]:
    """Return a text's runs of adjacent masks, in order."""
    gaps: list[Gap] = []
    for number, (position, span) in enumerate(zip(encoded.mask_positions, encoded.mask_spans, strict=True)):
        if gaps and position == encoded.mask_positions[number - 1] + 1:
            gaps[-1] = Gap(gaps[-1].first, number + 1, (gaps[-1].span[0], span[1]))
        else:
            gaps.append(Gap(number, number + 1, span))
    return gaps


def replace(text: str, spans: Sequence[Span], words: Sequence[str]) -> str:
    """Replace each span of a text by a word.

    The spans are in text order.
    """
    parts = []
    place = 0
    for (start, end), word in zip(spans, words, strict=True):
        parts += [text[place:start], word]
        place = end
    return "".join([*parts, text[place:]])
