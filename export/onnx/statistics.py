"""Collect statistics of a product's inputs."""

import numpy as np
from numpy.typing import NDArray

from export.onnx.rounding import BLOCK

Array = NDArray[np.float32]


class Statistics:
    """Running statistics of rows.

    Attributes:
        low: the smallest value of each column.
        high: the largest.

    Args:
        width: the number of columns.
    """

    def __init__(self, width: int) -> None:
        self.low = np.full(width, np.inf, np.float32)
        self.high = np.full(width, -np.inf, np.float32)
        self._size = min(BLOCK, width + width % 2)
        self._padding = -width % self._size
        self._rows = 0
        self._total = np.zeros(width)
        self._peaks = 0.0
        self._products = np.zeros(((width + self._padding) // self._size, self._size, self._size))

    def add(self, rows: Array) -> None:
        """Add rows [R, width].

        Large batches are faster.
        """
        low, high = rows.min(axis=0), rows.max(axis=0)
        self.low = np.minimum(self.low, low)
        self.high = np.maximum(self.high, high)
        self._rows += len(rows)
        self._total += rows.sum(axis=0, dtype=np.float64)
        peaks = np.maximum(rows.max(axis=1), -rows.min(axis=1))
        self._peaks += float(np.square(peaks, dtype=np.float64).sum())
        padded = np.pad(rows, ((0, 0), (0, self._padding))) if self._padding else rows
        blocks = padded.reshape(len(rows), -1, self._size).transpose(1, 0, 2)
        self._products += blocks.transpose(0, 2, 1) @ blocks

    @property
    def mean(self) -> Array:
        """The mean of each column."""
        return (self._total / self._rows).astype(np.float32)

    @property
    def peak(self) -> float:
        """The root mean square of the rows' largest absolute values."""
        return float(np.sqrt(self._peaks / self._rows))

    def covariance(self, divisors: Array | None = None, *, step: float) -> Array:
        """Return the diagonal blocks of the covariance.

        Their shape is [width / BLOCK, BLOCK, BLOCK].

        Args:
            divisors: the divisor of each column.
            step: the quantisation step of the rows, whose error adds to each column's variance.
        """
        mean = np.pad(self._total / self._rows, (0, self._padding)).reshape(-1, self._size)
        centred = self._products / self._rows - mean[:, :, np.newaxis] * mean[:, np.newaxis]
        if divisors is not None:
            by = np.pad(divisors, (0, self._padding), constant_values=1).reshape(-1, self._size)
            centred /= by[:, :, np.newaxis] * by[:, np.newaxis]
        # step**2 / 12 is the variance of a uniform rounding error.
        return (centred + np.eye(self._size) * step**2 / 12).astype(np.float32)
