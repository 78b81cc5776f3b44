"""Implement MultiInference, several classifications and regressions of the same examples.

Checks and texts are those of tensorflow_serving/servables/tensorflow/multi_inference.cc. As there, one run feeds the
examples to all signatures and fetches all outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.inference import classify, examples, regress
from deploy.embedded.inference.predict import DEFAULT_SIGNATURE, Call
from deploy.embedded.proto.inference_pb2 import InferenceResult, InferenceTask, MultiInferenceRequest

_METHODS = {classify.METHOD: classify, regress.METHOD: regress}


@dataclass(frozen=True, slots=True)
class Calls:
    """The arguments of the run for all tasks (see ``Engine.run_several``)."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, tuple[str, ...]]
    """By signature, in the order of the tasks."""


def prepare(
    signatures: Mapping[str, messages.SignatureDef], request: MultiInferenceRequest, *, check_method_name: bool
) -> Calls:
    """Return the run for a request.

    Args:
        signatures: the version's signatures by name.
        request: the tasks and their examples.
        check_method_name: reject a signature that was not exported for its task's method.

    Raises:
        ServingError: INVALID_ARGUMENT, the tasks contradict each other, do not fit the version or have no example;
            UNIMPLEMENTED, a task is neither a classification nor a regression.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    for task in request.tasks:
        _check_model(task, request.tasks[0])
        name = signature_name(task)
        if name in chosen:
            msg = f"Duplicate evaluation of signature: {name}"
            raise invalid(msg)
        if name not in signatures:
            msg = f"Requested signature not found in model graph: {name}"
            raise invalid(msg)
        if task.method_name not in _METHODS:
            msg = f"Unsupported signature method_name: {task.method_name}"
            raise ServingError(Code.UNIMPLEMENTED, msg)
        method = _METHODS[task.method_name]
        chosen[name] = method.choose_outputs(signatures[name], check_method_name=check_method_name)
    return Calls({examples.INPUTS: examples.to_array(request.input)}, chosen)


def to_results(
    tasks: Sequence[InferenceTask], calls: Calls, outputs: Mapping[str, Mapping[str, Array]]
) -> list[InferenceResult]:
    """Convert outputs to the tasks' results, without model specs.

    Raises:
        ServingError: INVALID_ARGUMENT, an output has the wrong type or shape for its task's method.
    """
    results = []
    for task in tasks:
        name = signature_name(task)
        call, arrays = Call(name, calls.inputs, calls.outputs[name]), outputs[name]
        if task.method_name == classify.METHOD:
            results.append(InferenceResult(classification_result=classify.to_result(call, arrays)))
        else:
            results.append(InferenceResult(regression_result=regress.to_result(call, arrays)))
    return results


def signature_name(task: InferenceTask) -> str:
    """Return a task's signature name or the default."""
    return task.model_spec.signature_name or DEFAULT_SIGNATURE


def _check_model(task: InferenceTask, first: InferenceTask) -> None:
    if not task.model_spec.name:
        msg = "Found ModelSpec with an empty model name."
        raise invalid(msg)
    if task.model_spec.name != first.model_spec.name:
        msg = "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        raise invalid(msg)
