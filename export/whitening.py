"""Make sentence vectors comparable (Su et al. 2021, "Whitening Sentence Representations", arXiv 2103.15316).

Whatever two sentences say, BERT's vectors of them point in nearly the same direction, so their cosine is high and tells
little. Whitening moves the mean of many sentences' vectors to the origin, turns the directions apart and gives each the
same variance: ``(vector - mean) @ kernel``. The cosine of two sentences that have nothing to do with each other is then
about 0.

Beyond the paper, the covariance is shrunk half way towards equal variances, the target of Ledoit and Wolf (2004, "A
well-conditioned estimator for large-dimensional covariance matrices"): a direction that hardly varies says little of a
sentence, or is not known well because the sample is small, and would count as much as any other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import SampleError
from export.source import sha256_of

SAMPLE = Path(__file__).with_name("whitening.txt")
"""Short sentences of everyday, technical, legal, literary and classical Chinese, one a line (README.md)."""

SENTENCES = 128
"""How many sentences a whitening is fitted to at most; README.md says how little more would change."""

DIMENSIONS = 256
"""How many directions are kept at most, those of the largest variance: the paper finds 256 of 768 as good as all."""

SHRINKAGE = 0.5
"""How far the covariance is moved towards equal variances: 0 is the paper's whitening, 1 only takes the mean away.

README.md has the measurements that it was chosen by."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """What turns a sentence vector into a comparable one: ``(vector - mean) @ kernel``.

    Attributes:
        mean: float32 [H].
        kernel: float32 [H, D], the direction of the largest variance first.
        sentences: how many it was fitted to.
    """

    mean: NDArray[np.float32]
    kernel: NDArray[np.float32]
    sentences: int


@dataclass(frozen=True, slots=True)
class SampleText:
    """Text to fit a whitening to.

    Attributes:
        sentences: each once.
        digest: the file's SHA-256.
    """

    sentences: tuple[str, ...]
    digest: str


def read_sample(path: Path) -> SampleText:
    """Read a UTF-8 file with one sentence a line.

    Raises:
        SampleError: it is not UTF-8.
        OSError: it cannot be read.
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
        dimensions: D, how many directions to keep at most.
        shrinkage: see `SHRINKAGE`.

    Raises:
        SampleError: the vectors do not differ.
    """
    if (vectors == vectors[:1]).all():
        msg = f"the text for the whitening gave {len(vectors)} vectors, none unlike the others: give it more sentences"
        raise SampleError(msg)
    sample = vectors.astype(np.float64)
    mean = sample.mean(axis=0)
    variances, directions = np.linalg.eigh((sample - mean).T @ (sample - mean) / len(sample))
    variances, directions = variances[::-1], directions[:, ::-1]  # the largest first
    kernel = directions / np.sqrt((1 - shrinkage) * variances + shrinkage * variances.mean())
    kernel *= np.sign(kernel[np.abs(kernel).argmax(axis=0), range(len(mean))])  # either sign is right: always the same
    return Whitening(mean.astype(np.float32), kernel[:, :dimensions].astype(np.float32), len(sample))
