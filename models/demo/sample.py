"""Draw the sentences for fitting the export's whitening.

    python -m models.demo.sample --corpora DIR

Writes ``export/whitening.txt``. The two corpora under a share-alike licence are excluded, so that the file can be part
of this repository, and so are the held-out sentences.
"""

import argparse
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from export.whitening import SAMPLE
from models.demo import corpus

SENTENCES = {
    "everyday": 160,
    "kdconv_dialogues": 200,
    "lctt_tech_articles": 180,
    "modern_public_domain_books": 200,
    "laws": 80,
    "howtocook": 60,
    "idioms_explained_and_in_context": 100,
    "classical_with_modern": 60,
    "shu_classics_books": 40,
    "famous": 40,
    "poetry_tang_simp": 40,
    "poetry_songci": 40,
}
"""Number of sentences drawn from each source."""

SEED = 20261121
SHORTEST, LONGEST = 6, 20

# Chinese characters, digits, Latin letters and the punctuation that every Chinese BERT's vocabulary has.
_PLAIN = re.compile(r"[\u4e00-\u9fff0-9a-z，。！？、：； ]+[。！？]")
_MOSTLY_CHINESE = 0.7


def draw(corpora: Path) -> Iterator[str]:
    """Yield distinct sentences, alternating between sources."""
    held_out = {sentence for _, text in corpus.held_out() for sentence in corpus.sentences(text)}
    rng = random.Random(SEED)  # noqa: S311 - a choice to repeat, not to hide
    drawn: dict[str, None] = {}
    for name, count in SENTENCES.items():
        lines = corpus.read_lines(corpus.find(corpora, name))
        fitting = {s: None for line in lines for s in corpus.sentences(line) if _fits(s)}
        candidates = [sentence for sentence in fitting if sentence not in held_out and sentence not in drawn]
        drawn |= dict.fromkeys(rng.sample(candidates, count))
    yield from drawn


def _fits(sentence: str) -> bool:
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in sentence)
    plain = _PLAIN.fullmatch(sentence) is not None
    return SHORTEST <= len(sentence) <= LONGEST and plain and chinese >= _MOSTLY_CHINESE * len(sentence)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the sentences for fitting the export's whitening."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.sample", description=main.__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of .txt or .txt.xz files")
    options = parser.parse_args(arguments)
    sentences = list(draw(options.corpora))
    SAMPLE.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    print(f"{len(sentences)} sentences, {SAMPLE.stat().st_size / 1000:.0f} kB -> {SAMPLE}")


if __name__ == "__main__":
    main()
