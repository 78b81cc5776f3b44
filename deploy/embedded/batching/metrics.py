"""Batching metrics under TensorFlow Serving's names (batching_session.cc, batching_util.h)."""

from deploy.embedded.metrics import Counter, Histogram, exponential

_SIZES = exponential(1, 2, 14)
_THREAD_POOL_NAME = ""  # upstream's server leaves the label empty

_queuing_latency = Histogram(
    ":tensorflow:serving:batching_session:queuing_latency", ("thread_pool_name",), exponential(100, 1.2, 52)
)
_input_batch_size = Histogram(":tensorflow:serving:batching_session:input_batch_size", (), _SIZES)
_processed_batch_size = Histogram(":tensorflow:serving:batching_session:processed_batch_size", (), _SIZES)
_padding_size = Histogram(":tensorflow:serving:batching_session:padding_size", ("execution_batch_size",), _SIZES)
_wrapped_run_count = Counter(":tensorflow:serving:batching_session:wrapped_run_count")


def count_request(rows: int, inputs: int) -> None:
    """Observe a request's rows, once for each input as upstream."""
    for _ in range(inputs):
        _input_batch_size.observe(rows)


def count_wait(seconds: float) -> None:
    """Observe a task's queuing latency.

    The metric is in microseconds.
    """
    _queuing_latency.observe(seconds * 1e6, _THREAD_POOL_NAME)


def count_run(rows: int, padding: int = 0) -> None:
    """Observe the rows and the padding of a run."""
    _padding_size.observe(padding, str(rows + padding))
    _processed_batch_size.observe(rows + padding)
    _wrapped_run_count.add()
