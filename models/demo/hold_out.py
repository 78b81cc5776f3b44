"""Choose the text to hold out from training.

    python -m models.demo.hold_out --corpora DIR

Writes ``text/heldout.txt``: a source's name, a tab, and a line or its beginning. The two corpora under a share-alike
licence are excluded, so that the file can be part of this repository. A new choice requires a new training run, because
the shipped checkpoint was trained without the committed file.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.demo import corpus

LINES = {
    "modern_public_domain_books": 300,
    "lctt_tech_articles": 150,
    "kdconv_dialogues": 150,
    "howtocook": 60,
    "laws": 80,
    "shu_classics_books": 150,
    "classical_with_modern": 100,
    "poetry_tang_simp": 120,
    "poetry_songci": 80,
    "idioms_explained_and_in_context": 150,
}
"""Number of held-out lines of each source."""

SEED = 20260101
SHORTEST = 12
LONGEST = 100


def choose(corpora: Path) -> Iterator[tuple[str, str]]:
    """Yield (source name, text) of the held-out lines."""
    rng = random.Random(SEED)  # noqa: S311 - a choice to repeat, not to hide
    for name, count in LINES.items():
        lines = [line for line in corpus.read_lines(corpus.find(corpora, name)) if len(line) >= SHORTEST]
        for line in rng.sample(lines, count):
            text = ""
            for sentence in corpus.sentences(line):
                if text and len(text) + len(sentence) > LONGEST:
                    break
                text += sentence[:LONGEST]
            if text:
                yield name, text


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose the text to hold out from training."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.hold_out", description=main.__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of .txt or .txt.xz files")
    options = parser.parse_args(arguments)
    chosen = [f"{name}\t{text}\n" for name, text in choose(options.corpora)]
    corpus.HELD_OUT.write_text("".join(chosen), encoding="utf-8")
    print(f"{len(chosen)} texts -> {corpus.HELD_OUT}")


if __name__ == "__main__":
    main()
