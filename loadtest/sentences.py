"""Chinese sentences with one [MASK] for load tests and benchmarks.

Single sentences of ``models/demo/text``: half of them everyday ones, half from the held-out texts, whose lengths are
those of prose, verse, dialogue and law. The same call returns the same sentences in the same order.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

_TEXT = Path(__file__).parents[1] / "models" / "demo" / "text"
_SENTENCE = re.compile(r"[^。！？]+[。！？][”」』）]?")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_SHORTEST = 4
_SEED = 20


LONGEST = 120
"""Longest sentence in characters; a longer one is usually a paragraph without a full stop."""


def masked_sentences(count: int, *, longest: int = LONGEST) -> tuple[str, ...]:
    """Return distinct sentences with one character replaced by [MASK].

    A sentence of at most ``longest`` characters has at most as many tokens, plus [CLS] and [SEP].

    Raises:
        ValueError: the texts have fewer sentences.
    """
    everyday = _sentences((_TEXT / "everyday.txt").read_text(encoding="utf-8"), longest)
    held_out = (_TEXT / "heldout.txt").read_text(encoding="utf-8")
    prose = _sentences("\n".join(line.partition("\t")[2] for line in held_out.splitlines()), longest)
    chooser = random.Random(_SEED)  # noqa: S311 - the same choice everywhere, no secret
    try:
        chosen = chooser.sample(everyday, (count + 1) // 2) + chooser.sample(prose, count // 2)
    except ValueError as error:
        msg = f"{count} sentences requested, but there are {len(everyday)} everyday and {len(prose)} held-out ones"
        raise ValueError(msg) from error
    chooser.shuffle(chosen)
    return tuple(_mask(sentence, chooser) for sentence in chosen)


def text_of(characters: int) -> str:
    """Return text of exactly ``characters`` characters, the middle one masked.

    Every Chinese BERT has one token a character, so the model reads ``characters + 2`` tokens.
    """
    running = "".join(_HAN.findall((_TEXT / "everyday.txt").read_text(encoding="utf-8")))
    middle = characters // 2
    return f"{running[:middle]}[MASK]{running[middle + 1 : characters]}"


def _sentences(text: str, longest: int) -> Sequence[str]:
    """Return a text's distinct sentences with enough Chinese characters."""
    found = (sentence.strip() for line in text.splitlines() for sentence in _SENTENCE.findall(line))
    fitting = (one for one in found if len(one) <= longest and len(_HAN.findall(one)) >= _SHORTEST)
    return tuple(dict.fromkeys(fitting))


def _mask(sentence: str, chooser: random.Random) -> str:
    place = chooser.choice([found.start() for found in _HAN.finditer(sentence)])
    return f"{sentence[:place]}[MASK]{sentence[place + 1 :]}"
