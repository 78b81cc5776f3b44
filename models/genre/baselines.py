"""Measure baselines on characters and on layout alone.

    .venv/bin/python -m models.genre.baselines

trains on ``train.tsv`` and prints each model's accuracy and macro-F1 on ``dev.tsv``, and its accuracy on passages of
the texts that ``models/demo`` has not read.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from models.genre import dataset

_MARKS = "，。"


def linear_model() -> Pipeline:
    """Return a linear classifier over character n-grams."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    return make_pipeline(vectorizer, LinearSVC(C=0.8, random_state=0))


def length(text: str) -> list[int]:
    """Return a text's length."""
    return [len(text)]


def punctuation(text: str) -> list[int]:
    """Return the length and the number of each mark."""
    return [len(text), *(text.count(mark) for mark in _MARKS)]


def layout(text: str) -> list[int]:
    """Return length, marks, Latin letters, digits and clause lengths."""
    clauses = sorted(map(len, filter(None, re.split(f"[{_MARKS}]", text))))
    latin, digits = (len(re.findall(characters, text)) for characters in ("[a-z]", "[0-9]"))
    return [*punctuation(text), latin, digits, len(clauses), clauses[0], clauses[-1], clauses[len(clauses) // 2]]


def boosted_trees(features: Callable[[str], list[int]]) -> Pipeline:
    """Return gradient-boosted trees over numbers drawn from a text."""

    def table(texts: Sequence[str]) -> NDArray[np.int64]:
        return np.array([features(text) for text in texts])

    return make_pipeline(FunctionTransformer(table), HistGradientBoostingClassifier(random_state=0))


MODELS: dict[str, Callable[[], Pipeline]] = {
    "characters, 1 to 3, linear": linear_model,
    "length": lambda: boosted_trees(length),
    "length and punctuation": lambda: boosted_trees(punctuation),
    "the same, Latin, digits, clause lengths": lambda: boosted_trees(layout),
}


def main() -> None:
    """Print each model's accuracy and macro-F1."""
    texts, labels = dataset.read(dataset.TRAIN)
    dev_texts, dev_labels = dataset.read(dataset.DEV)
    unread, unread_labels = zip(*dataset.held_out(), strict=True)
    title = f"{len(texts)} train, {len(dev_texts)} dev, {len(unread)} held out"
    print(f"{title:42}{'accuracy':>9}{'macro-F1':>10}{'held out':>10}")
    for name, build in MODELS.items():
        with threadpool_limits(1):  # on busy cores, the threads' barriers take far longer than the trees
            model = build().fit(texts, labels)
            found, found_unread = model.predict(dev_texts), model.predict(list(unread))
        accuracy, f1 = accuracy_score(dev_labels, found), f1_score(dev_labels, found, average="macro")
        print(f"{name:42}{accuracy:9.3f}{f1:10.3f}{accuracy_score(unread_labels, found_unread):10.3f}", flush=True)


if __name__ == "__main__":
    main()
