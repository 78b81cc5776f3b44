"""Batch sentences of unequal length, for signatures with ``lengths``.

These are the signatures of this project's exports: the graph computes the attention mask from ``lengths``, so padding
does not affect an answer. Inputs are padded with 0, which is a valid token id ([PAD]), a valid position and a valid
candidate, and every answer is trimmed to the shape that it has without batching.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded.batching import metrics
from deploy.embedded.batching.by_length import LengthQueue, Limits
from deploy.embedded.batching.scheduler import Answer, Scheduler, Task
from deploy.embedded.engines import Array, Engine
from deploy.embedded.proto.config_pb2 import BatchingParameters

# The meaning of the second dimension of each input, and of the second and third dimension of each output.
_INPUTS = {"input_ids": "tokens", "lengths": "", "mask_positions": "masks", "candidate_ids": "candidates"}
_OUTPUTS = {
    "token_ids": ("masks",),
    "scores": ("masks", "candidates"),  # of a classifier without either, as long as its labels
    "labels": (),
    "cls": (),
    "mean": (),
    "whitened": (),
    "attention": ("masks", "tokens"),
}


class ContractRunner:
    """Run sentences in batches of similar length."""

    def __init__(self, engine: Engine, parameters: BatchingParameters) -> None:
        """Start the batch threads.

        Args:
            engine: the version, loaded.
            parameters: the batching parameters. ``batch_timeout_micros`` (see ``by_length``), ``allowed_batch_sizes``
                and ``pad_variable_length_inputs`` have no effect. The default of ``num_batch_threads`` is the engine's
                ``runs_at_once``.
        """
        self._limits = Limits.of(parameters)
        threads = parameters.num_batch_threads.value or engine.runs_at_once
        self._scheduler = Scheduler(LengthQueue(self._limits), partial(execute, engine), threads)

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> Answer:
        """Run one request (see ``SignatureRunner.run``)."""
        tasks, order = cut(
            signature, inputs, outputs, max_rows=self._limits.max_batch_size, max_tokens=self._limits.max_tokens
        )
        return join(await self._scheduler.run(tasks, wait_for_room=wait_for_room), order)

    async def close(self) -> None:
        """Reject new requests and wait for the accepted ones."""
        await self._scheduler.close()


def follows_contract(signature: messages.SignatureDef) -> bool:
    """Return whether a signature is one of this project's exports."""
    inputs = signature.inputs
    return (
        {"input_ids", "lengths"} <= inputs.keys() <= _INPUTS.keys()
        and all(info.dtype == messages.DT_INT32 for info in inputs.values())
        and signature.outputs.keys() <= _OUTPUTS.keys()
        and not signature.defaults
    )


def cut(
    signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, max_rows: int, max_tokens: int
) -> tuple[list[Task], Array | None]:
    """Split a request larger than a batch into tasks.

    The rows of a task have similar lengths. A request with inconsistent arrays becomes one task that runs alone,
    unchanged: the engine reports what is wrong.

    Returns:
        The tasks, and the request's row index of each of their rows in order; None if there is only one task.
    """
    if not _fits(inputs):
        rows = max((len(array) for array in inputs.values() if array.ndim), default=0)
        return [Task(object(), signature, inputs, tuple(outputs), rows)], None
    group = (signature, tuple(outputs))
    lengths = inputs["lengths"]
    rows, width = len(lengths), int(lengths.max())
    metrics.count_request(rows, len(inputs))
    if rows == 1 or (rows <= max_rows and rows * width <= max_tokens):
        return [Task(group, signature, inputs, group[1], rows, width, rows * width)], None
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order]
    request_tokens = int(ascending.sum())
    tasks: list[Task] = []
    end = rows
    while end:
        width = int(ascending[end - 1])
        start = max(0, end - max(1, min(max_rows, max_tokens // width)))
        part = {name: array[order[start:end]] for name, array in inputs.items()}
        tasks.append(Task(group, signature, part, group[1], end - start, width, request_tokens))
        end = start
    return tasks[::-1], order


def join(answers: Sequence[Answer], order: Array | None) -> Answer:
    """Join the tasks' answers in the request's row order."""
    if order is None:
        return answers[0]
    joined = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    back = np.argsort(order)
    return {name: array[back] for name, array in joined.items()}


def execute(engine: Engine, batch: Sequence[Task]) -> list[Answer | Exception]:
    """Run a batch.

    If it fails, run each task alone, so that an error affects only its own task.
    """
    first = batch[0]
    metrics.count_run(sum(task.rows for task in batch))
    try:
        answer = engine.run(first.signature, _merge(batch), first.outputs)
    except Exception as error:  # noqa: BLE001 - an engine may raise any exception
        if len(batch) == 1:
            return [error]
        return [execute(engine, [task])[0] for task in batch]
    starts = np.cumsum([0, *(task.rows for task in batch)]).tolist()
    return [_of_task(answer, start, task) for start, task in zip(starts, batch, strict=False)]


def _fits(inputs: Mapping[str, Array]) -> bool:
    """Return whether types, shapes and positions are valid.

    Every position must be inside its sentence.
    """
    if any(array.dtype != np.int32 or array.ndim != (2 if _INPUTS[name] else 1) for name, array in inputs.items()):
        return False
    rows, longest = inputs["input_ids"].shape
    if rows == 0 or any(len(array) != rows for array in inputs.values()):
        return False
    lengths = np.asarray(inputs["lengths"], np.int32)
    if lengths.min() < 1 or lengths.max() > longest:
        return False
    if "mask_positions" not in inputs or not inputs["mask_positions"].size:
        return True
    positions = np.asarray(inputs["mask_positions"], np.int32)
    return bool(positions.min() >= 0 and (positions < lengths[:, np.newaxis]).all())


def _merge(batch: Sequence[Task]) -> Mapping[str, Array]:
    """Stack the tasks' inputs, padded to the longest sentence."""
    first = batch[0]
    width = max(task.width for task in batch)
    if len(batch) == 1 and (width == 0 or width == first.inputs["input_ids"].shape[1]):
        return first.inputs
    return {
        name: _stack([task.inputs[name] for task in batch], width if name == "input_ids" else None)
        for name in first.inputs
    }


def _stack(arrays: Sequence[Array], width: int | None) -> Array:
    """Stack arrays, padded with 0 or truncated to ``width``.

    Without a width, all are padded to the widest.
    """
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    if width is None:
        width = max(array.shape[1] for array in arrays)
    stacked = np.zeros((sum(map(len, arrays)), width), arrays[0].dtype)
    start = 0
    for array in arrays:
        stacked[start : start + len(array), : array.shape[1]] = array[:, :width]
        start += len(array)
    return stacked


def _of_task(answer: Answer, start: int, task: Task) -> Answer:
    """Return the rows of one task in their unbatched shapes."""
    if not task.width:
        return answer
    sizes = {_INPUTS[name]: array.shape[1] for name, array in task.inputs.items() if array.ndim == 2}
    own = {}
    for name, array in answer.items():
        own[name] = array[start : start + task.rows]
        for axis, counted in enumerate(_OUTPUTS[name], 1):
            if counted in sizes:
                own[name] = _resize(own[name], axis, sizes[counted])
    return own


def _resize(array: Array, axis: int, size: int) -> Array:
    """Truncate one dimension or pad it with 0.

    The attention to padding is 0.
    """
    missing = size - array.shape[axis]
    if missing > 0:
        return np.pad(array, [(0, missing if n == axis else 0) for n in range(array.ndim)])
    return array if missing == 0 else array.take(range(size), axis)
