"""Round kernels to int8 without saturating any processor's products.

Processors without VNNI multiply uint8 by int8 with ``vpmaddubsw``: it adds the products of two neighbouring bytes in 16
bits, which saturate at -32768 and 32767. In ONNX Runtime, the neighbours are inputs 2i and 2i + 1 of a row (MLAS,
x86_64: ``QgemmU8X8KernelAvx2.S``, ``QgemvU8S8KernelAvx2.S``). For bytes from 0 to 255, the sum of a pair is at most 255
times the sum of the pair's weights of one sign. So the product is exact if

    |w[2i] + w[2i + 1]| <= 128 where both weights have one sign, since 255 * 128 = 32640.

This bound is looser than 7-bit weights (-63 to 63): a single weight reaches -127 to 127, and only pairs of two large
weights are clipped. Each output has the scale with the smallest error under this bound. Bytes from 0 to 127 need no
bound: 2 * 127 * 127 = 32258.

The weights that are rounded later compensate for the rounding error of the earlier ones (GPTQ, Frantar et al. 2022,
https://arxiv.org/abs/2210.17323). This needs the covariance of the inputs on sample text.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LARGEST = 127
"""The largest weight. -128 is not used, so that rounding is symmetric."""

BYTE = 255
"""The default for the largest input byte."""

BLOCK = 128
"""Inputs per compensation block. Larger blocks gain little, and memory grows with the square."""

_CANDIDATES = (0.85, 1.0, 1.15, 1.35, 1.55, 1.75)  # scales to try, as multiples of max(abs(weight)) / 127
_CHUNK = 128  # outputs per scale search: the working set fits into the cache
_LAZY_BATCH = 32  # inputs corrected one by one; later inputs are corrected by one matrix product (GPTQ, section 3.3)
_LIMITS = np.iinfo(np.int16)
_DAMPING = 0.01  # fraction of the mean variance added to the diagonal, which keeps the inverse stable, as in GPTQ


def round_kernel(kernel: Array, covariance: Array | None = None, *, byte: int = BYTE) -> tuple[NDArray[np.int8], Array]:
    """Round a kernel to int8 pairs that cannot saturate.

    Args:
        kernel: [inputs, outputs].
        covariance: of the inputs, as diagonal blocks [inputs / BLOCK, BLOCK, BLOCK]; None rounds each pair
            independently.
        byte: the largest input byte.

    Returns:
        The integers [inputs, outputs] and the dequantisation scale of each output [outputs].
    """
    inputs, outputs = kernel.shape
    size = BLOCK if covariance is None else covariance.shape[1]
    size = min(size, inputs + inputs % 2)
    padded = np.zeros((-(-inputs // size) * size, outputs), np.float32)
    padded[:inputs] = kernel
    blocks = padded.reshape(-1, size, outputs)
    variances = (
        np.ones(blocks.shape[:2], np.float32) if covariance is None else np.diagonal(covariance, axis1=1, axis2=2)
    )
    limit = _LIMITS.max // byte
    scales = _choose_scales(blocks, variances, limit)
    blocks /= scales
    rounded = _round_to_nearest(blocks, limit) if covariance is None else _round_compensated(blocks, covariance, limit)
    return rounded.reshape(padded.shape)[:inputs].astype(np.int8), scales


def may_saturate(integers: NDArray[np.int8], *, byte: int = BYTE) -> bool:
    """Return whether any input bytes saturate a pair's 16-bit sum.

    Args:
        integers: a kernel [inputs, outputs].
        byte: the largest input byte.
    """
    wide = integers.astype(np.int16)  # so that the sum of two weights does not overflow
    if len(wide) % 2:
        wide = np.concatenate([wide, np.zeros_like(wide[:1])])
    first, second = wide[0::2], wide[1::2]
    most = np.maximum(first, 0) + np.maximum(second, 0)
    least = np.minimum(first, 0) + np.minimum(second, 0)
    return bool(byte * int(most.max()) > _LIMITS.max or byte * int(least.min()) < _LIMITS.min)


def _choose_scales(blocks: Array, variances: Array, limit: int) -> Array:
    """Return each output's scale with the smallest variance-weighted error."""
    full = np.maximum(np.abs(blocks).max(axis=(0, 1)), 1e-12) / LARGEST
    # Without a limit on pairs, larger scales only round more coarsely.
    factors = np.array(_CANDIDATES if limit < 2 * LARGEST else [f for f in _CANDIDATES if f <= 1], np.float32)
    best: Array = np.empty_like(full)
    for start in range(0, full.size, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        weights = np.ascontiguousarray(blocks[:, :, chunk])
        costs = [
            scales**2 * np.einsum("bkn,bk->n", np.square(_round_to_nearest(units, limit) - units), variances)
            for scales in full[chunk] * factors[:, np.newaxis]
            for units in [weights / scales]
        ]
        best[chunk] = full[chunk] * factors[np.argmin(costs, axis=0)]
    return np.asarray(best, np.float32)


def _round_to_nearest(blocks: Array, limit: int) -> Array:
    rounded = np.empty_like(blocks)
    first, second = _round_pair(blocks[:, 0::2], blocks[:, 1::2], 0.0, 0.5, limit)
    rounded[:, 0::2], rounded[:, 1::2] = first, second
    return rounded


def _round_pair(
    first: Array, second: Array, coupling: Array | float, share: Array | float, limit: int
) -> tuple[Array, Array]:
    """Round both weights of a pair within its limit.

    Args:
        first: the pairs' first weights, in units of their scale.
        second: the pairs' second weights.
        coupling: how much of the first weight's rounding error the second compensates for.
        share: how much of the excess over the limit is taken from the first weight; the second loses the rest.
        limit: the largest absolute sum of the pair.
    """
    low, high = np.clip(first, -LARGEST, LARGEST), np.clip(second, -LARGEST, LARGEST)
    # Clip the pair's sum first, so that both weights share the loss.
    total = low + high
    excess = total - np.clip(total, -limit, limit)
    first_rounded = np.rint(low - excess * share)
    second = second - (first - first_rounded) * coupling
    # Rounding the first may use up more of the limit; the second gets the rest.
    least = np.maximum(-limit - np.minimum(first_rounded, 0), -LARGEST)
    most = np.minimum(limit - np.maximum(first_rounded, 0), LARGEST)
    return first_rounded, np.clip(np.rint(second), least, most)


def _round_compensated(blocks: Array, covariance: Array, limit: int) -> Array:
    """Round pairs and compensate in later weights (GPTQ).

    All blocks run at once. ``factor`` is the Cholesky factor of the inverse covariance. A row divided by its diagonal
    gives the best correction of all later weights for an error of that weight (GPTQ, section 3.3).
    """
    factor = _inverse_factor(covariance)
    size = blocks.shape[1]
    rounded = np.empty_like(blocks)
    changes = np.empty_like(blocks)  # rounding errors, divided by the factor's diagonal
    for start in range(0, size, _LAZY_BATCH):
        end = min(start + _LAZY_BATCH, size)
        for place in range(start, end, 2):
            after = slice(place + 2, end)
            pair = slice(place, place + 2)
            own = factor[:, pair, pair, None]
            coupling = own[:, 0, 1] / own[:, 0, 0]
            # The share that minimises the weighted error of clipping both weights.
            alone, both = own[:, 0, 0] ** 2, own[:, 0, 0] * own[:, 0, 1]
            total = alone + 2 * both + own[:, 0, 1] ** 2 + own[:, 1, 1] ** 2
            share = np.clip((alone + both) / total, 0, 1)
            first, second = blocks[:, place], blocks[:, place + 1]
            one, two = _round_pair(first, second, coupling, share, limit)
            rounded[:, place], rounded[:, place + 1] = one, two
            changes[:, place] = (first - one) / own[:, 0, 0]
            changes[:, place + 1] = (second - (first - one) * coupling - two) / own[:, 1, 1]
            for row in (place, place + 1):  # no matrix product: BLAS would start its threads for each
                blocks[:, after] -= factor[:, row, after, None] * changes[:, row, None]
        blocks[:, end:] -= factor[:, start:end, end:].transpose(0, 2, 1) @ changes[:, start:end]
    return rounded


def _inverse_factor(covariance: Array) -> Array:
    """Return the upper Cholesky factor of the inverse covariance.

    The factor U is upper triangular, and U.T @ U inverts the covariance.
    """
    damped = covariance.astype(np.float64)
    size = damped.shape[1]
    variances = np.diagonal(damped, axis1=1, axis2=2)
    damped += np.eye(size) * np.maximum(_DAMPING * variances.mean(axis=1), 1e-12)[:, None, None]
    lower = np.linalg.cholesky(np.linalg.inv(damped))
    return lower.transpose(0, 2, 1).astype(np.float32)
