"""Fit the whitening of sentence vectors.

BERT's vectors of any two sentences point in nearly the same direction, so their cosine is high and carries little
information. Whitening (Su et al. 2021, "Whitening Sentence Representations", arXiv 2103.15316) centres the vectors,
decorrelates the dimensions and gives each the same variance: ``(vector - mean) @ kernel``. The cosine of two unrelated
sentences is then about 0.

Unlike in the paper, the covariance is shrunk half way towards equal variances, the target of Ledoit and Wolf (2004, "A
well-conditioned estimator for large-dimensional covariance matrices"). Without shrinkage, a direction of small variance
would count as much as any other, although it carries little information or is poorly estimated from a small sample.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import SampleError
from export.source import sha256_of

SAMPLE = Path(__file__).with_name("whitening.txt")
"""Short sentences of everyday, technical, legal, literary and classical Chinese, one per line (README.md)."""

SENTENCES = 128
"""The largest number of sentences used for fitting. More change little (README.md)."""

DIMENSIONS = 256
"""The largest number of dimensions kept, by variance. In the paper, 256 of 768 are as good as all."""

SHRINKAGE = 0.5
"""Shrinkage of the covariance towards equal variances: 0 is the paper's whitening, 1 only subtracts the mean.

README.md has the measurements behind this value."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """The whitening transform ``(vector - mean) @ kernel``.

    Attributes:
        mean: float32 [H].
        kernel: float32 [H, D], the direction of the largest variance first.
        sentences: the number of sentences it was fitted to.
    """

    mean: NDArray[np.float32]
    kernel: NDArray[np.float32]
    sentences: int


@dataclass(frozen=True, slots=True)
class SampleText:
    """The text that a whitening is fitted to.

    Attributes:
        sentences: without duplicates.
        digest: the file's SHA-256.
    """

    sentences: tuple[str, ...]
    digest: str


def read_sample(path: Path) -> SampleText:
    """Read a UTF-8 file with one sentence per line.

    Raises:
        SampleError: the file is not UTF-8.
        OSError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8: {error}"
        raise SampleError(msg) from error
    sentences = dict.fromkeys(line.strip() for line in lines)
    sentences.pop("", None)
    return SampleText(tuple(sentences), sha256_of(path))


def fit(vectors: NDArray[np.floating[Any]], dimensions: int = DIMENSIONS, shrinkage: float = SHRINKAGE) -> Whitening:
    """Fit a whitening to the vectors of sentences.

    Args:
        vectors: [N, H].
        dimensions: D, the largest number of dimensions to keep.
        shrinkage: see `SHRINKAGE`.

    Raises:
        SampleError: all vectors are equal.
    """
    if (vectors == vectors[:1]).all():
        msg = f"the text for the whitening gave {len(vectors)} vectors, all of them equal: add sentences"
        raise SampleError(msg)
    sample = vectors.astype(np.float64)
    mean = sample.mean(axis=0)
    variances, directions = np.linalg.eigh((sample - mean).T @ (sample - mean) / len(sample))
    variances, directions = variances[::-1], directions[:, ::-1]  # the largest first
    # Shrinking the covariance towards a multiple of the identity changes only the eigenvalues.
    kernel = directions / np.sqrt((1 - shrinkage) * variances + shrinkage * variances.mean())
    kernel *= np.sign(
        kernel[np.abs(kernel).argmax(axis=0), range(len(mean))]
    )  # fix the arbitrary sign, so that fits are reproducible
    return Whitening(mean.astype(np.float32), kernel[:, :dimensions].astype(np.float32), len(sample))
