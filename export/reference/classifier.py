"""Ask a classifier in the reference process."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from export.reference.process import ReferenceProcess
from export.task import Task


@dataclass(frozen=True, slots=True)
class ClassifierAnswer:
    """The reference classifier's outputs for one text.

    The text has S tokens.

    Attributes:
        ids: int32 [S].
        token_types: int32 [S], 1 for the tokens of a second text.
        logits: float32 [L].
        hidden: float32 [S, H], the last hidden states.
    """

    ids: NDArray[np.int32]
    token_types: NDArray[np.int32]
    logits: NDArray[np.float32]
    hidden: NDArray[np.float32]

    @property
    def mean(self) -> NDArray[np.float32]:
        """The mean vector [H] of the inner tokens.

        [CLS] and [SEP] are excluded. An empty text has zeros.
        """
        inner = self.hidden[1:-1]
        mean: NDArray[np.float32] = inner.mean(axis=0) if len(inner) else np.zeros_like(self.hidden[0])
        return mean


class ReferenceClassifier(ReferenceProcess):
    """Hugging Face's BertForSequenceClassification and AutoTokenizer in a separate process."""

    task: ClassVar[Task] = "text_classification"

    def answer(self, ids: NDArray[np.int32], token_types: NDArray[np.int32] | None = None) -> ClassifierAnswer:
        """Return the model's outputs for a text's token ids.

        The token types are 0 by default.
        """
        types = np.zeros_like(ids) if token_types is None else token_types
        return ClassifierAnswer(ids, types, **self._ask("answer", {"ids": ids, "token_types": types})[1])

    def tokenize_pair(self, text: str, text_pair: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the token ids and types of a text pair."""
        cut = self._ask("tokenize_pair", text=text, text_pair=text_pair)[0]
        return np.array(cut["ids"], np.int32), np.array(cut["token_types"], np.int32)

    def classify(self, text: str | dict[str, str], *, top_k: int | None = 1) -> list[dict[str, Any]]:
        """Return the text-classification pipeline's answers to a text or pair."""
        answers: list[dict[str, Any]] = self._ask("classify", text=text, top_k=top_k)[0]["answers"]
        return answers
