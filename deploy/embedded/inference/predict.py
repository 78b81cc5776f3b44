"""Implement Predict for both APIs.

Texts and codes are those of tensorflow_serving/servables/tensorflow/predict_util.cc,
tensorflow/cc/saved_model/util.cc and tensorflow/core/framework/function.cc.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from bert_mlm_client.wire import decode_tensor, messages

from deploy.embedded import metrics
from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.repository import Servable

DEFAULT_SIGNATURE = "serving_default"

_METHODS = ("tensorflow/serving/predict", "tensorflow/serving/classify", "tensorflow/serving/regress")


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of a run (see ``Engine.run``)."""

    signature: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]


async def predict(
    servable: Servable,
    signature_name: str,
    inputs: Mapping[str, Array] | Mapping[str, messages.TensorProto],
    *,
    output_filter: Sequence[str] = (),
    check_method_name: bool = False,
    timeout_s: float | None = None,
    wait_for_room: bool = False,
) -> dict[str, Array]:
    """Answer a Predict request (see ``prepare`` and ``run``).

    Raises:
        ServingError: the request does not fit the signature, or the run failed or timed out.
    """
    call = prepare(
        servable.signatures,
        signature_name,
        inputs,
        output_filter=output_filter,
        check_method_name=check_method_name,
    )
    return await run(servable, call, timeout_s=timeout_s, wait_for_room=wait_for_room)


async def run(
    servable: Servable, call: Call, *, timeout_s: float | None, method: str = "Predict", wait_for_room: bool = False
) -> dict[str, Array]:
    """Run a call on a version with a timeout.

    Args:
        servable: the version.
        call: the arguments of the run.
        timeout_s: the remaining time of the request in seconds; None is no limit.
        method: the API's name in the metrics.
        wait_for_room: wait if the queue is full (see ``SignatureRunner.run``).

    Raises:
        ServingError: the run failed or timed out.
    """
    started = time.perf_counter()
    async with time_limit(timeout_s):
        outputs = await servable.runner.run(call.signature, call.inputs, call.outputs, wait_for_room=wait_for_room)
    metrics.RUNTIME_LATENCY.observe((time.perf_counter() - started) * 1e6, servable.name, method, "TF1")
    return outputs


@asynccontextmanager
async def time_limit(timeout_s: float | None) -> AsyncIterator[None]:
    """Cancel the body of the ``with`` statement after a timeout.

    None is no limit.

    Raises:
        ServingError: DEADLINE_EXCEEDED, the body timed out.
    """
    msg = "Timed out waiting for notification"
    if timeout_s is not None and timeout_s <= 0:
        raise ServingError(Code.DEADLINE_EXCEEDED, msg)
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise ServingError(Code.DEADLINE_EXCEEDED, msg) from error


def prepare(
    signatures: Mapping[str, messages.SignatureDef],
    name: str,
    inputs: Mapping[str, Array] | Mapping[str, messages.TensorProto],
    *,
    output_filter: Sequence[str] = (),
    check_method_name: bool = False,
) -> Call:
    """Return the call of a Predict request.

    Args:
        signatures: the version's signatures by name.
        name: the signature that the request names.
        inputs: the request's tensors by input name, as arrays or messages.
        output_filter: the outputs to fetch; empty means all.
        check_method_name: reject a signature that was not exported for a method of TensorFlow Serving.

    Raises:
        ServingError: the request does not fit the signature.
    """
    signature = find_signature(signatures, name)
    if check_method_name and signature.method_name not in _METHODS:
        msg = (
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. "
            f"Was: {signature.method_name}"
        )
        raise ServingError(Code.INTERNAL, msg)
    check_inputs(signature, inputs)
    arrays = {alias: _to_array(alias, tensor) for alias, tensor in inputs.items()}
    outputs = choose_outputs(signature, output_filter)
    return Call(name, arrays, outputs)


def find_signature(signatures: Mapping[str, messages.SignatureDef], name: str) -> messages.SignatureDef:
    """Return a signature by name.

    Raises:
        ServingError: FAILED_PRECONDITION, no signature has this name.
    """
    if name not in signatures:
        msg = f'Serving signature key "{name}" not found.'
        raise ServingError(Code.FAILED_PRECONDITION, msg)
    return signatures[name]


def check_inputs(signature: messages.SignatureDef, inputs: Collection[str]) -> None:
    """Check a request for missing and unknown inputs.

    An input with a default may be missing.

    Raises:
        ServingError: INVALID_ARGUMENT, an input is missing or unknown.
    """
    sent, expected = set(inputs), set(signature.inputs)
    if len(sent) > len(expected) or (len(sent) < len(expected) and not signature.defaults):
        msg = (
            f"input size does not match signature: {len(sent)}!={len(expected)} len({{{_listed(sent)}}}) != "
            f"len({{{_listed(expected)}}}). Sent extra: {{{_listed(sent - expected)}}}. "
            f"Missing but required: {{{_listed(expected - sent)}}}."
        )
        raise invalid(msg)
    for alias in sorted(expected - sent - set(signature.defaults)):
        msg = (
            f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not found in request and no "
            f"default value provided. Inputs expected to be in the request {{{_listed(sent)}}}, or default input "
            f"alias set: {_listed(signature.defaults)}"
        )
        raise invalid(msg)
    if sent - expected:
        msg = (
            f"Inputs contains invalid name. Used request inputs: {_listed(sent & expected)}, "
            f"request input: {_listed(sent)}"
        )
        raise invalid(msg)


def choose_outputs(signature: messages.SignatureDef, output_filter: Sequence[str]) -> tuple[str, ...]:
    """Return the outputs to fetch.

    Raises:
        ServingError: INVALID_ARGUMENT, the filter has an unknown output or a duplicate.
    """
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            msg = (
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{_listed(signature.outputs)}}}."
            )
            raise invalid(msg)
        if alias in chosen:
            msg = f"duplicate output tensor alias: {alias}"
            raise invalid(msg)
        chosen.append(alias)
    return tuple(chosen or sorted(signature.outputs))


def format_shape(array: Array) -> str:
    """Format an array's shape as C++ does, ``[2,3]``."""
    return f"[{','.join(map(str, array.shape))}]"


def _to_array(alias: str, tensor: Array | messages.TensorProto) -> Array:
    if isinstance(tensor, np.ndarray):
        return tensor
    try:
        return decode_tensor(tensor)
    except ValueError as error:
        msg = f"tensor parsing error: {alias}"
        raise invalid(msg) from error


def _listed(names: Collection[str]) -> str:
    return ",".join(sorted(names))
