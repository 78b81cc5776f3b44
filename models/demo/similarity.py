"""Measure how well whitened and raw similarity rank sentence pairs.

python -m models.demo.similarity --url grpc://127.0.0.1:8500
python -m models.demo.similarity --corpora DIR      # and on sentences of running text

``text/pairs.txt`` has sentences, each followed by others with a human grade, as in the semantic textual similarity
tasks (Cer et al. 2017, https://aclanthology.org/S17-2001): 5 is equivalent, 3 is related but different, 1 shares only
the topic, 0 is unrelated. In running text the next sentence should be nearer than a random one.
"""

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
from bert_mlm_client import FillMask
from numpy.typing import NDArray

from models.demo import corpus

PAIRS = Path(__file__).parent / "text" / "pairs.txt"
SAME, UNRELATED = 5, 0

SOURCES = ("lctt_tech_articles", "modern_public_domain_books", "laws", "shu_classics_books")
PASSAGES = 750  # of each source
SHORTEST, LONGEST = 8, 40

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences and their similarity grade, from 0 to 5."""

    sentence: str
    other: str
    grade: int


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    """Read blocks of a sentence and ``grade<TAB>sentence`` lines."""
    pairs = []
    for group in path.read_text(encoding="utf-8").strip().split("\n\n"):
        sentence, *others = group.split("\n")
        pairs += [Pair(sentence, other, int(grade)) for grade, other in (line.split("\t") for line in others)]
    return pairs


def running_text(corpora: Path) -> list[Pair]:
    """Pair sentences with their successor and with a random one."""
    rng = random.Random(0)  # noqa: S311 - a choice to repeat, not to hide
    pairs = []
    for name in SOURCES:
        lines = map(corpus.sentences, corpus.read_lines(corpus.find(corpora, name)))
        fitting = ([one for one in line if SHORTEST <= len(one) <= LONGEST] for line in lines)
        texts = [line for line in fitting if len(line) > 1]
        for text in rng.sample(texts, min(PASSAGES, len(texts))):
            first, elsewhere = rng.randrange(len(text) - 1), rng.choice(rng.choice(texts))
            pairs += [Pair(text[first], text[first + 1], SAME), Pair(text[first], elsewhere, UNRELATED)]
    return pairs


def spearman(left: Scores, right: Scores) -> float:
    """Return Spearman's rank correlation, with mean ranks for ties."""
    return float(np.corrcoef(_ranks(left), _ranks(right))[0, 1])


def _ranks(values: Scores) -> Scores:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Scores = np.cumsum(counts) - (counts - 1) / 2
    return ranks[places]


def triples_in_order(pairs: Sequence[Pair], scores: Scores) -> tuple[int, int]:
    """Count (sentence, nearer, farther) triples, correctly ordered and in total."""
    right = total = 0
    for _, group in groupby(zip(pairs, scores, strict=True), key=lambda graded: graded[0].sentence):
        for (one, score), (other, other_score) in combinations(group, 2):
            if one.grade != other.grade:
                total += 1
                right += (one.grade > other.grade) == (score > other_score) and score != other_score
    return right, total


def report(pairs: Sequence[Pair], measured: Mapping[str, Scores]) -> Iterator[str]:
    """Yield table lines with a column per measure."""
    grades = np.array([pair.grade for pair in pairs], np.float64)
    yield f"{len(pairs)} pairs" + "".join(f"{name:>28}" for name in measured)
    rows = {"rank correlation": [f"{spearman(scores, grades):.3f}" for scores in measured.values()]}
    counts = [triples_in_order(pairs, scores) for scores in measured.values()]
    rows["triples in order"] = [f"{right} of {total} ({right / total:.1%})" for right, total in counts]
    for title, grade in (("same meaning", SAME), ("unrelated", UNRELATED)):
        of_grade = [scores[grades == grade] for scores in measured.values()]
        rows[title] = [f"{each.min():.2f} .. {np.median(each):.2f} .. {each.max():.2f}" for each in of_grade]
    for title, cells in rows.items():
        yield f"{title:16}" + "".join(f"{cell:>28}" for cell in cells)


def measure(client: FillMask, pairs: Sequence[Pair]) -> dict[str, Scores]:
    """Return pair scores by the model's measure and raw cosine."""
    answers = client.similarity([(pair.sentence, pair.other) for pair in pairs])
    measured: dict[str, Scores] = {answers[0].measure: np.array([answer.score for answer in answers])}
    return measured | {"cosine": np.array([answer.cosine for answer in answers])}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare whitened and raw similarity on graded sentence pairs.

    Prints rank correlation, triple accuracy and score range of both measures.
    """
    parser = argparse.ArgumentParser(prog="python -m models.demo.similarity", description=main.__doc__)
    parser.add_argument("--url", default="grpc://127.0.0.1:8500", help="the server (default grpc://127.0.0.1:8500)")
    parser.add_argument("--model", default="bert_mlm", help="the model's name on it (default bert_mlm)")
    parser.add_argument("--pairs", type=Path, default=PAIRS, help="graded sentences (default: those that ship)")
    parser.add_argument("--corpora", type=Path, help="folder of .txt or .txt.xz files, to draw running text from")
    options = parser.parse_args(arguments)
    with FillMask(options.url, options.model) as client:
        pairs = read_pairs(options.pairs)
        print("\n".join(report(pairs, measure(client, pairs))))
        if options.corpora:
            pairs = running_text(options.corpora)
            for name, scores in measure(client, pairs).items():
                right, total = triples_in_order(pairs, scores)
                print(f"{name}: the next sentence is nearer in {right} of {total} passages ({right / total:.1%})")


if __name__ == "__main__":
    main()
