"""Define the immutable results of the client."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Candidate for a mask.

    The field names are those of Hugging Face's FillMaskOutputElement.

    Attributes:
        score: the candidate's probability among the whole vocabulary.
        token: its id in the vocabulary.
        token_str: its text in the vocabulary, with ``##`` if it continues a word.
        sequence: the caller's text with only this mask replaced by the candidate.
    """

    score: float
    token: int
    token_str: str
    sequence: str


@dataclass(frozen=True, slots=True)
class Filling:
    """Words that fill all masks of a text.

    Attributes:
        score: from `FillMask.fill_words`, the probability of all the words together, exp(log_likelihood). From
            `FillMask.choose` and `FillMask.score`, the geometric mean of the tokens' probabilities,
            exp(log_likelihood / number of tokens), so that words of different lengths compare. For a single token
            both are its probability.
        log_likelihood: the natural logarithm of the probability of all tokens, see `FillMask.score`; every method
            returns the same value for the same words.
        tokens: the tokens' ids, in the text's order.
        words: one word for each run of adjacent masks.
        sequence: the caller's text with the masks replaced by the words.
    """

    score: float
    log_likelihood: float
    tokens: tuple[int, ...]
    words: tuple[str, ...]
    sequence: str

    @property
    def token_str(self) -> str:
        """Return the words, separated by spaces."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Classification:
    """Label of a text.

    The field names are those of Hugging Face's TextClassificationOutputElement.

    Attributes:
        label: the label's name.
        score: its probability: among all labels, or with ``multi_label_classification`` by itself.
    """

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """Similarity of two texts in meaning.

    Attributes:
        score: the cosine of the texts' vectors, by ``measure``; 1 for equal texts.
        measure: ``whitened cosine`` if the model's version has a whitening, else ``cosine``.
        cosine: the cosine of the unwhitened mean vectors, which is high for any two texts.
    """

    score: float
    measure: Literal["whitened cosine", "cosine"]
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Vectors of one text, of H numbers each.

    Two results are equal only if they are the same object.

    Attributes:
        text: the caller's text.
        cls: [H] float32, the last layer's vector of [CLS].
        mean: [H] float32, the mean of the last layer's vectors without [CLS] and [SEP].
        whitened: [D] float32, the mean vector whitened; None if the model's version has no whitening.
    """

    text: str
    cls: Vector
    mean: Vector
    whitened: Vector | None


@dataclass(frozen=True, slots=True)
class TokenWeight:
    """Weight of a token or another gap's word.

    Attributes:
        token_str: the token's text in the vocabulary, or the word.
        weight: the weight, whose unit depends on the method, see `FillMask.explain`.
        span: its start and end in the caller's text; a word's span is that of its masks.
    """

    token_str: str
    weight: float
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explanation of an answer.

    Attributes:
        text: the caller's text.
        method: the attribution method, ``occlusion`` or ``attention``.
        prediction: the explained answer: a Prediction for one mask, or a Filling for the word in a gap.
        weights: one for each token of the text in its order, without special tokens and masks; with ``joint`` also one
            for the word in each other gap.
        note: a warning about the weights, for example that the attention has no meaning; usually None.
    """

    text: str
    method: Literal["occlusion", "attention"]
    prediction: Prediction | Filling
    weights: tuple[TokenWeight, ...]
    note: str | None = None

    def top(self, n: int = 3) -> list[TokenWeight]:
        """Return the n tokens with the largest weights, largest first."""
        return heapq.nlargest(n, self.weights, key=lambda weight: weight.weight)


@dataclass(frozen=True, slots=True)
class TokenScore:
    """Probability of a token where it stands.

    Attributes:
        score: its probability when it alone is masked.
        token_str: its text in the vocabulary, with ``##`` if it continues a word.
        start: the start of its span in the caller's text.
        end: the end of its span.
    """

    score: float
    token_str: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Replacement for a suspect character.

    Attributes:
        score: its probability at the masked position.
        token: its id in the vocabulary.
        token_str: the character.
    """

    score: float
    token: int
    token_str: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """Improbable Chinese character.

    Attributes:
        score: its probability when it alone is masked.
        token_str: the character, as in the vocabulary.
        start: the start of its span in the caller's text.
        end: the end of its span.
        suggestions: the more probable Chinese characters, best first.
    """

    score: float
    token_str: str
    start: int
    end: int
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Proofreading:
    """Probabilities of a text's tokens, with its suspect characters.

    Attributes:
        text: the caller's text.
        characters: the probability of each token in the text's order: a Chinese character or punctuation mark, a word
            of letters or digits, or a piece of one. Special tokens, masks and characters outside the vocabulary have
            none.
        suspects: the improbable Chinese characters, in the text's order.
    """

    text: str
    characters: tuple[TokenScore, ...]
    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """Status of a model version, in TensorFlow Serving's terms.

    Attributes:
        version: its number.
        state: START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN.
        error_code: OK, or the name of the gRPC status code of the error.
        error_message: the error message; empty without an error.
    """

    version: int
    state: str
    error_code: str
    error_message: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Status of a model on the server.

    Attributes:
        model: its name.
        versions: its versions, in the server's order.
    """

    model: str
    versions: tuple[VersionStatus, ...]

    @property
    def available(self) -> tuple[VersionStatus, ...]:
        """Return the available versions."""
        return tuple(version for version in self.versions if version.state == "AVAILABLE")


Candidate = TypeVar("Candidate", Prediction, Filling)

_ROUNDING = 1e-6  # a score is a float32: 0.55 and 0.5 are 0.0500000119 apart


def ambiguity(candidates: Iterable[Candidate], within: float = 0.05) -> tuple[Candidate, Candidate] | None:
    """Return the two best candidates if their scores are close.

    Args:
        candidates: the answer of `FillMask.fill` or `FillMask.choose` for one text, in any order.
        within: the maximum difference of their scores, inclusive: 0.05 is 5 percentage points.

    Returns:
        The two candidates, or None if one clearly wins.
    """
    best = heapq.nlargest(2, candidates, key=lambda candidate: candidate.score)
    if len(best) < 2 or best[0].score - best[1].score > within + _ROUNDING:
        return None
    return best[0], best[1]
