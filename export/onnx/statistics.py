"""Gather what the inputs of a product look like on sample text."""

import numpy as np
from numpy.typing import NDArray

from export.onnx.rounding import BLOCK

_GATHERED = 256  # rows that are multiplied at a time

Array = NDArray[np.float32]


class Statistics:
    """Running statistics of rows.

    Attributes:
        low: the smallest value of each column.
        high: the largest.

    Args:
        width: how many columns the rows have.
    """

    def __init__(self, width: int) -> None:
        self.low = np.full(width, np.inf, np.float32)
        self.high = np.full(width, -np.inf, np.float32)
        self._size = min(BLOCK, width + width % 2)
        self._padding = -width % self._size
        self._rows = 0
        self._total = np.zeros(width)
        self._peaks = 0.0
        self._waiting: list[Array] = []
        self._products = np.zeros(((width + self._padding) // self._size, self._size, self._size))

    def add(self, rows: Array) -> None:
        """Take in rows [R, width]."""
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        self._rows += len(rows)
        self._total += rows.sum(axis=0, dtype=np.float64)
        self._peaks += float(np.square(np.abs(rows).max(axis=1), dtype=np.float64).sum())
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= _GATHERED:
            self._multiply()

    @property
    def mean(self) -> Array:
        """The mean of each column."""
        return (self._total / self._rows).astype(np.float32)

    @property
    def peak(self) -> float:
        """The root mean square of the rows' largest absolute values."""
        return float(np.sqrt(self._peaks / self._rows))

    def covariance(self, divisors: Array | None = None, *, step: float) -> Array:
        """Return the covariance of the columns in blocks of neighbours [width / BLOCK, BLOCK, BLOCK].

        Args:
            divisors: what each column is divided by.
            step: of the integers that the rows are rounded to afterwards; their error adds to each column's variance.
        """
        self._multiply()
        mean = np.pad(self._total / self._rows, (0, self._padding)).reshape(-1, self._size)
        centred = self._products / self._rows - mean[:, :, np.newaxis] * mean[:, np.newaxis]
        if divisors is not None:
            by = np.pad(divisors, (0, self._padding), constant_values=1).reshape(-1, self._size)
            centred /= by[:, :, np.newaxis] * by[:, np.newaxis]
        return (centred + np.eye(self._size) * step**2 / 12).astype(np.float32)

    def _multiply(self) -> None:
        if self._waiting:
            rows = np.concatenate(self._waiting)
            padded = np.pad(rows, ((0, 0), (0, self._padding))).reshape(len(rows), -1, self._size).transpose(1, 0, 2)
            self._products += padded.transpose(0, 2, 1) @ padded
            self._waiting = []
