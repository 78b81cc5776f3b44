"""Batch requests by concatenation, as TensorFlow Serving does.

The rules, their order and the texts are those of tensorflow_serving/batching/batching_session.cc and batching_util.cc.
Two of them are surprising, and are kept for compatibility: inputs of unequal shape are padded with their own first
element, even if it has a meaning (1 in an attention_mask), and an error in one request of a batch fails all of them.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from bert_mlm_client.wire import decode_tensor, messages

from deploy.embedded.batching import metrics
from deploy.embedded.batching.by_arrival import ArrivalQueue, Limits
from deploy.embedded.batching.scheduler import Answer, Scheduler, Task
from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.proto.config_pb2 import BatchingParameters


class ConcatRunner:
    """Run requests in batches as TensorFlow Serving does."""

    def __init__(self, engine: Engine, parameters: BatchingParameters, cores: int) -> None:
        """Start the batch threads, by default one for each core."""
        self._engine = engine
        threads = parameters.num_batch_threads.value or cores
        queue = ArrivalQueue(Limits.of(parameters))
        self._scheduler = Scheduler(queue, partial(execute, engine, parameters), threads)

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> Answer:
        """Run one request (see ``SignatureRunner.run``)."""
        task = make_task(signature, self._engine.signatures[signature], inputs, outputs)
        return join(await self._scheduler.run([task], wait_for_room=wait_for_room))

    async def close(self) -> None:
        """Reject new requests and wait for the accepted ones."""
        await self._scheduler.close()


def make_task(name: str, signature: messages.SignatureDef, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Task:
    """Create a request's task, with defaults for missing inputs.

    Raises:
        ServingError: INVALID_ARGUMENT, an input is a scalar, or the inputs differ in the number of rows.
    """
    fed = {
        alias: inputs[alias] if alias in inputs else decode_tensor(signature.defaults[alias])
        for alias in sorted(signature.inputs)
    }
    if not fed:
        msg = "Batching Run() must have at least one input tensor"
        raise invalid(msg)
    sizes = [array.shape[0] if array.ndim else None for array in fed.values()]
    for size in sizes:
        if size is None:
            msg = "Batching Run() input tensors must have at least one dimension"
            raise invalid(msg)
        if size != sizes[0]:
            msg = "Batching Run() input tensors must have equal 0th-dimension size"
            raise invalid(msg)
    rows = len(next(iter(fed.values())))
    metrics.count_request(rows, len(fed))
    wanted = tuple(sorted(outputs))
    return Task((name, wanted), name, fed, wanted, rows)


def execute(engine: Engine, parameters: BatchingParameters, batch: Sequence[Task]) -> list[Answer | Exception]:
    """Run a batch and return the rows of each task.

    Raises:
        ServingError: the tasks' shapes differ, the run failed, or its outputs have another number of rows.
    """
    first = batch[0]
    rows = sum(task.rows for task in batch)
    padding = next((size for size in parameters.allowed_batch_sizes if size >= rows), rows) - rows
    merged = {}
    for alias, array in first.inputs.items():
        arrays = [task.inputs[alias] for task in batch]
        if parameters.pad_variable_length_inputs:
            arrays = _pad(arrays)
        elif any(other.shape[1:] != array.shape[1:] for other in arrays):
            raise _unequal(engine.signatures[first.signature].inputs[alias].name)
        if padding:
            arrays.append(np.repeat(arrays[-1][:1], padding, axis=0))
        merged[alias] = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    metrics.count_run(rows, padding)
    answer = engine.run(first.signature, merged, first.outputs)
    for array in answer.values():
        if not array.ndim:
            msg = "Batched output tensor has 0 dimensions"
            raise ServingError(Code.FAILED_PRECONDITION, msg)
        if len(array) != rows + padding:
            msg = (
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                "input tensors"
            )
            raise ServingError(Code.FAILED_PRECONDITION, msg)
    starts = np.cumsum([0, *(task.rows for task in batch)]).tolist()
    return [
        {name: array[start : start + task.rows] for name, array in answer.items()}
        for start, task in zip(starts, batch, strict=False)
    ]


def join(answers: Sequence[Answer]) -> Answer:
    """Concatenate the answers to the parts of a request."""
    if len(answers) == 1:
        return answers[0]
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _pad(arrays: Sequence[Array]) -> list[Array]:
    """Pad arrays to equal dimensions, except the first.

    Each is padded with its own first element.
    """
    if not all(1 <= array.ndim <= 6 for array in arrays):
        msg = "Only tensors with rank from 1 to 6 can be padded."
        raise invalid(msg)
    if len({array.ndim for array in arrays}) > 1:
        msg = "Tensors of different ranks cannot be padded to one shape."  # upstream does not handle this
        raise invalid(msg)
    widest = tuple(max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays), strict=True))
    padded = []
    for array in arrays:
        if array.shape[1:] == widest:
            padded.append(array)
            continue
        if not array.size:
            msg = "Got empty tensor in batch of non-empty tensors."
            raise invalid(msg)
        filled = np.full((len(array), *widest), array.flat[0], array.dtype)
        filled[tuple(slice(size) for size in array.shape)] = array
        padded.append(filled)
    return padded


def _unequal(tensor: str) -> ServingError:
    msg = (
        f"Tensors with name '{tensor}' from different tasks have different shapes and padding is turned off."
        "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name"
        "have equal dimensions starting with the first dim."
    )
    return ServingError(Code.FAILED_PRECONDITION, msg)
