"""Read batching parameters from files.

The message is BatchingParameters of tensorflow_serving/servables/tensorflow/session_bundle_config.proto; checks and
texts are those of bundle_factory_util.h and of TensorFlow's shared_batch_scheduler.h.
"""

from collections.abc import Iterator
from pathlib import Path

from deploy.embedded import text_proto
from deploy.embedded.errors import StartError
from deploy.embedded.proto.config_pb2 import BatchingParameters

MAX_BATCH_SIZE = 1000
"""TensorFlow Serving's default, in rows."""

_VERSION_FILE = "batching_params.pbtxt"


def read(path: Path) -> BatchingParameters:
    """Read parameters in text format.

    Raises:
        StartError: the file cannot be read or is invalid.
    """
    parameters = text_proto.read(path, BatchingParameters())
    for problem in _problems(parameters):
        raise StartError(problem)
    return parameters


def read_of_version(folder: Path, common: BatchingParameters) -> BatchingParameters | None:
    """Read a version's ``batching_params.pbtxt``.

    Return None (no batching) without the file. A version cannot set the number of threads; the value of the server's
    own file applies.

    Raises:
        StartError: as for ``read``.
    """
    path = folder / _VERSION_FILE
    if not path.is_file():
        return None
    parameters = read(path)
    parameters.ClearField("num_batch_threads")
    if common.HasField("num_batch_threads"):
        parameters.num_batch_threads.CopyFrom(common.num_batch_threads)
    return parameters


def _problems(parameters: BatchingParameters) -> Iterator[str]:
    size = parameters.max_batch_size.value if parameters.HasField("max_batch_size") else MAX_BATCH_SIZE
    threads, batches = parameters.num_batch_threads.value, parameters.max_enqueued_batches.value
    sizes = parameters.allowed_batch_sizes
    splitting = parameters.enable_large_batch_splitting.value
    if sizes and sizes[-1] != size:
        yield (
            f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {sizes[-1]}; expected {size}"
        )
    if parameters.HasField("num_batch_threads") and threads < 1:
        yield f"num_batch_threads must be positive; was {threads}"
    if size < 1:
        yield f"input_batch_size_limit must be positive; was {size}"
    if parameters.batch_timeout_micros.value < 0:
        yield f"batch_timeout_micros must be non-negative; was {parameters.batch_timeout_micros.value}"
    if batches < 0 or (splitting and parameters.HasField("max_enqueued_batches") and not batches):
        yield f"max_enqueued_batches must be positive; was {batches}"
    if splitting and parameters.max_execution_batch_size.value > size:
        yield (
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
            "max_execution_batch_size."
        )
