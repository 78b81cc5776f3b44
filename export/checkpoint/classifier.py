"""Read the settings of a classification head from config.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from export.checkpoint.config import BertConfig
from export.errors import CheckpointError
from export.json_file import read_json

ARCHITECTURE = "BertForSequenceClassification"

ProblemType = Literal["single_label_classification", "multi_label_classification"]
Pooling = Literal["cls", "mean"]

_DEFAULT_LABELS = 2
_FINE_TUNE = "python -m export.finetune"


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """The settings of a classification head.

    Attributes:
        labels: by id.
        problem_type: softmax over the labels, or a sigmoid for each label.
        pooling: the head's input: the vector at [CLS], or the mean over all tokens, [CLS] and [SEP] included.
        text_pairs: whether the model was trained on pairs of texts, so that the second has token type 1.
    """

    labels: tuple[str, ...]
    problem_type: ProblemType = "single_label_classification"
    pooling: Pooling = "cls"
    text_pairs: bool = False


def architectures(path: Path) -> list[str]:
    """Return the classes that a config.json names.

    Raises:
        CheckpointError: the file is damaged.
    """
    named = read_json(path).get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        msg = f'{path} has architectures = {named!r}; write a list of class names, such as ["{ARCHITECTURE}"]'
        raise CheckpointError(msg)
    return named


def read_classifier(path: Path, config: BertConfig) -> ClassifierConfig:
    """Read a classifier's settings from config.json.

    Names and defaults are those of transformers 5 (``PreTrainedConfig``); ``classifier_pooling`` is ModernBERT's, and
    ``classifier_text_pairs`` this project's.

    Args:
        path: of config.json.
        config: the hyperparameters in the same file.

    Raises:
        CheckpointError: the file is damaged, the labels are ambiguous, or the head is not supported.
    """
    content = read_json(path)
    labels = _labels(path, content)
    problem_type = _choice(path, content, "problem_type", get_args(ProblemType))
    if len(labels) < _DEFAULT_LABELS:
        msg = f"{path} has one label, {labels[0]!r}: that is a regression, which cannot be exported; name two or more"
        raise CheckpointError(msg)
    text_pairs = content.get("classifier_text_pairs", False)
    if not isinstance(text_pairs, bool):
        msg = f"{path} has classifier_text_pairs = {text_pairs!r}; write true or false"
        raise CheckpointError(msg)
    if text_pairs and config.type_vocab_size < 2:
        msg = f"{path} has classifier_text_pairs = true, which needs two token types, but type_vocab_size is 1"
        raise CheckpointError(msg)
    pooling = _choice(path, content, "classifier_pooling", get_args(Pooling))
    return ClassifierConfig(labels, problem_type, pooling, text_pairs)


def _choice(path: Path, content: dict[str, Any], key: str, supported: tuple[Any, ...]) -> Any:
    """Return one of the supported values, by default the first."""
    value = content.get(key)
    if value is None:
        return supported[0]
    if value not in supported:
        msg = f"{path} has {key} = {value!r}; only {' and '.join(supported)} can be exported"
        raise CheckpointError(msg)
    return value


def _labels(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels by id.

    ``id2label`` and ``label2id`` must agree: transformers answers by the first, and other programs read the second.
    """
    by_id, by_label = content.get("id2label"), content.get("label2id")
    if by_id is None and by_label is None:
        return _default_labels(path, content)
    if by_id is None:
        msg = f"{path} has label2id, but no id2label, by which transformers answers; write both"
        raise CheckpointError(msg)
    if not isinstance(by_id, dict):
        kind = "a list" if isinstance(by_id, list) else repr(by_id)
        msg = f'{path} has {kind} as id2label; write an object from id to label, such as {{"0": "negative"}}'
        raise CheckpointError(msg)
    ids = [str(number) for number in range(len(by_id))]
    if not by_id or set(by_id) != set(ids):
        listed = ", ".join(list(by_id)[:5])
        msg = (
            f"{path} has the ids {listed or 'of no label'} in id2label, which do not count from 0 to the number of "
            f"labels less 1; number the labels as the rows of the classifier are, or train again ({_FINE_TUNE})"
        )
        raise CheckpointError(msg)
    labels = tuple(by_id[number] for number in ids)
    for number, label in enumerate(labels):
        _check_label(path, number, label)
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        msg = f"{path} has the label {twice!r} twice in id2label; give each id a label of its own"
        raise CheckpointError(msg)
    if by_label is not None and by_label != {label: number for number, label in enumerate(labels)}:
        msg = (
            f"{path} has an id2label and a label2id that disagree; find out which one the model was trained with, and "
            "write the other to match"
        )
        raise CheckpointError(msg)
    return labels


def _default_labels(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    """Return transformers' labels for a config.json without any."""
    count = content.get("num_labels")
    if count is None:
        count = _DEFAULT_LABELS
    if type(count) is not int or count < 1:
        msg = f"{path} has num_labels = {count!r}; write id2label and label2id instead"
        raise CheckpointError(msg)
    return tuple(f"LABEL_{number}" for number in range(count))


def _check_label(path: Path, number: int, label: Any) -> None:
    if not isinstance(label, str) or not label.strip():
        kind = "an empty label" if isinstance(label, str) else f"the label {label!r}"
        msg = f"{path} has {kind} for id {number} in id2label; write a text"
        raise CheckpointError(msg)
    try:
        label.encode()
    except UnicodeEncodeError:
        msg = f"{path} has the label {label!r} for id {number} in id2label, which is not Unicode text; write another"
        raise CheckpointError(msg) from None
