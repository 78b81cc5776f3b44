"""Parse the model's task, as the `tokenizer` signature returns it."""

import json
from dataclasses import dataclass
from typing import Any, Self

from bert_mlm_client.errors import VocabularyError
from bert_mlm_client.vocabulary import typed

FILL_MASK = "fill_mask"
TEXT_CLASSIFICATION = "text_classification"


@dataclass(frozen=True, slots=True)
class ModelTask:
    """Task of a model.

    Attributes:
        name: ``fill_mask`` or ``text_classification``.
        labels: a classifier's labels in the order of their ids.
        problem_type: a classifier's ``single_label_classification`` or ``multi_label_classification``.
        text_pairs: whether a classifier was trained on pairs of texts.
    """

    name: str = FILL_MASK
    labels: tuple[str, ...] = ()
    problem_type: str | None = None
    text_pairs: bool = False

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Parse the JSON that `TokenizerConfig.parse` accepted.

        A masked language model has none of these fields.

        Raises:
            VocabularyError: a value has the wrong type.
        """
        defaults: dict[str, Any] = {"task": FILL_MASK, "labels": [], "problem_type": None, "text_pairs": False}
        config = defaults | json.loads(content)
        return cls(
            name=typed(config, "task", str),
            labels=_labels(typed(config, "labels", list)),
            problem_type=typed(config, "problem_type", str, type(None)),
            text_pairs=typed(config, "text_pairs", bool),
        )


def _labels(listed: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(label, str) and label for label in listed) or len(set(listed)) < len(listed):
        msg = "the server's tokenizer configuration has no valid 'labels'; export the model again"
        raise VocabularyError(msg)
    return tuple(listed)
