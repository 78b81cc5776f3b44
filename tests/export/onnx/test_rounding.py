"""Test the rounding of kernels to int8."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.onnx.rounding import BLOCK, may_saturate, round_kernel
from export.onnx.statistics import Statistics

WEIGHTS = st.floats(-1, 1, width=32) | st.sampled_from([0.0, 1.0, -1.0])


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=WEIGHTS), st.booleans())
def test_no_kernel_saturates(kernel: np.ndarray, covaried: bool) -> None:
    size = len(kernel) + len(kernel) % 2
    covariance = np.full((1, size, size), 0.9, np.float32) + np.eye(size, dtype=np.float32) if covaried else None
    integers, scales = round_kernel(kernel, covariance)
    assert integers.shape == kernel.shape
    assert not may_saturate(integers)
    assert np.isfinite(scales).all()
    assert (scales > 0).all()


def test_seven_bit_inputs_need_no_limit_on_weights() -> None:
    kernel = np.full((4, 1), 0.5, np.float32)
    integers, scales = round_kernel(kernel, byte=127)
    assert np.allclose(integers * scales, kernel, rtol=1e-6)
    assert np.abs(integers).max() > 64
    assert not may_saturate(integers, byte=127)
    assert may_saturate(np.full((4, 1), 127, np.int8))


@pytest.mark.parametrize(
    ("pair", "saturates"),
    [((64, 64), False), ((65, 64), True), ((-64, -64), False), ((-127, -2), True), ((127, -127), False)],
)
def test_only_neighbours_of_one_sign_can_saturate(pair: tuple[int, int], saturates: bool) -> None:
    assert may_saturate(np.array(pair, np.int8)[:, np.newaxis]) is saturates
    apart = np.array([pair[0], 0, pair[1], 0], np.int8)[:, np.newaxis]
    assert not may_saturate(apart)


def test_error_within_the_limit_is_at_most_half_a_step() -> None:
    kernel = np.random.default_rng(0).normal(size=(64, 7)).astype(np.float32)
    integers, scales = round_kernel(kernel, byte=127)
    inside = np.abs(kernel) <= 127 * scales
    assert inside.mean() > 0.95
    assert (np.abs(integers * scales - kernel)[inside] <= (scales / 2 + 1e-6 * np.ones_like(kernel))[inside]).all()


@pytest.mark.parametrize("width", [BLOCK, 2 * BLOCK + 6])
def test_correlated_inputs_compensate_for_rounding(width: int) -> None:
    random = np.random.default_rng(0)
    rows = (random.normal(size=(4000, 24)) @ random.normal(size=(24, width))).astype(np.float32)
    kernel = random.normal(size=(width, 32)).astype(np.float32)
    statistics = Statistics(width)
    statistics.add(rows)
    wrong = []
    for covariance in (None, statistics.covariance(step=0.1)):
        integers, scales = round_kernel(kernel, covariance)
        assert not may_saturate(integers)
        wrong.append(float(np.square((rows - statistics.mean) @ (integers * scales - kernel)).mean()))
    assert wrong[1] < 0.3 * wrong[0]


def test_statistics_do_not_depend_on_batching() -> None:
    rows = np.random.default_rng(0).normal(3, 2, size=(3000, 10)).astype(np.float32)
    whole, parts = Statistics(10), Statistics(10)
    whole.add(rows)
    for part in np.split(rows, 30):
        parts.add(part)
    for statistics in (whole, parts):
        assert np.allclose(statistics.mean, rows.mean(axis=0), atol=1e-4)
        assert np.allclose(statistics.low, rows.min(axis=0))
        assert np.allclose(statistics.high, rows.max(axis=0))
        assert np.allclose(statistics.covariance(step=0)[0], np.cov(rows.T, bias=True), atol=1e-3)
