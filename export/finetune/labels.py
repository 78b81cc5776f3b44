"""Number the labels and encode them as targets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import CheckpointError
from export.finetune.errors import LabelledTextError
from export.finetune.examples import Example
from export.json_file import read_json


def order_labels(path: Path, examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the labels of the training texts by id.

    They are sorted: by value if all are decimal numbers, else by code points. The order depends on nothing else.

    Raises:
        LabelledTextError: there are fewer than two.
    """
    # The keys of a dict have an order; a set's depends on PYTHONHASHSEED.
    labels = list(dict.fromkeys(label for example in examples for label in example.labels))
    if len(labels) < 2:
        found = f"the label {labels[0]!r} alone" if labels else "no label"
        msg = f"{path} has {found}; a classifier needs texts of at least two labels"
        raise LabelledTextError(msg)
    if all(label.isascii() and label.isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def encode_targets(
    path: Path, examples: Sequence[Example], labels: Sequence[str], *, multi_label: bool
) -> NDArray[np.int64] | NDArray[np.float32]:
    """Return the targets of the texts.

    They are int64 label ids [N], or for ``multi_label`` float32 zeros and ones [N, L].

    Raises:
        LabelledTextError: a label does not occur in the training texts.
    """
    ids = {label: number for number, label in enumerate(labels)}
    for example in examples:
        for label in example.labels:
            if label not in ids:
                msg = (
                    f"{path}, line {example.line} has the label {label!r}, which no training text has; add such texts "
                    "to --train or remove the line"
                )
                raise LabelledTextError(msg)
    if not multi_label:
        return np.array([ids[example.labels[0]] for example in examples], np.int64)
    targets = np.zeros((len(examples), len(labels)), np.float32)
    for row, example in zip(targets, examples, strict=True):
        row[[ids[label] for label in example.labels]] = 1
    return targets


def balanced_weights(targets: NDArray[Any], count: int) -> list[float]:
    """Return label weights that balance the classes.

    With one label per text, a weight is N / (L x the label's texts), as scikit-learn's ``balanced``. With several, it
    multiplies the loss of the texts that have the label: texts without the label / texts with it.
    """
    if targets.ndim == 1:
        return [float(weight) for weight in len(targets) / (count * np.bincount(targets, minlength=count))]
    having = targets.sum(axis=0)
    return [float(weight) for weight in (len(targets) - having).clip(min=1) / having]


def read_weights(path: Path, labels: Sequence[str]) -> list[float]:
    """Read label weights from a JSON object.

    Raises:
        LabelledTextError: the file is damaged, or does not have exactly one positive weight for each label.
    """
    try:
        weights: Mapping[str, Any] = read_json(path)
    except CheckpointError as error:
        msg = str(error)
        raise LabelledTextError(msg) from error
    if wrong := sorted(weights.keys() ^ {*labels}):
        what = "is not a label of the training texts" if wrong[0] in weights else "has no weight"
        msg = f"{path}: {wrong[0]!r} {what}; write one weight for each of {', '.join(labels)}"
        raise LabelledTextError(msg)
    for label, weight in weights.items():
        if type(weight) not in (int, float) or not 0 < weight < float("inf"):
            msg = f"{path} has the weight {weight!r} for {label!r}; write a positive number"
            raise LabelledTextError(msg)
    return [float(weights[label]) for label in labels]
