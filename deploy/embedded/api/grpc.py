"""Implement TensorFlow Serving's gRPC API on wire-compatible messages."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
from bert_mlm_client.wire import encode_tensor, messages
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from deploy.embedded import metrics
from deploy.embedded.api.health import Health
from deploy.embedded.api.model_service import ModelService
from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.inference import classify, examples, multi_inference, regress
from deploy.embedded.inference.predict import DEFAULT_SIGNATURE, predict, run, time_limit
from deploy.embedded.proto.config_pb2 import ReloadConfigRequest
from deploy.embedded.proto.inference_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
    MultiInferenceRequest,
    MultiInferenceResponse,
    RegressionRequest,
    RegressionResponse,
)
from deploy.embedded.repository import Repository, Servable

logger = logging.getLogger(__name__)

Request = TypeVar("Request", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

SIGNATURE_DEF = "signature_def"
# Official clients unpack the Any by this name.
_SIGNATURE_DEF_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
KEEPALIVE_MS = 60_000
"""The interval of keepalive pings on silent connections."""

MIN_PING_INTERVAL_MS = 10_000
"""The shortest interval of a client's pings; gRPC's default, 5 minutes, disconnects clients with common settings."""

# Longer texts do not fit into HTTP/2 trailers (grpc_status_util.cc).
_MAX_DETAILS = 1024
_TIMER_S = 0.02  # how early gRPC's deadline timer may fire
_STATUS_CODES = {status.value[0]: status for status in grpc.StatusCode}


def create_server(
    repository: Repository,
    model_service: ModelService,
    *,
    as_content: bool = False,
    check_method_names: bool = False,
    channel_arguments: Sequence[tuple[str, int | str]] = (),
    health: Health | None = None,
) -> grpc.aio.Server:
    """Create a gRPC server without a port.

    Args:
        repository: the models to serve.
        model_service: the methods that report and change the served models.
        as_content: encode tensors as raw bytes instead of TensorFlow Serving's lists.
        check_method_names: require the method that a signature was exported for.
        channel_arguments: further gRPC options by name, which override those set here.
        health: the health service to offer; None offers none.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),  # a second server on this port must fail, not share it
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            *channel_arguments,
        ]
    )
    methods = _Methods(repository, as_content=as_content, check_method_names=check_method_names)
    server.add_generic_rpc_handlers(_services(methods, model_service))
    if health is not None:
        server.add_generic_rpc_handlers((health.handler(),))
    return server


class _Methods:
    """The prediction methods.

    A ServingError becomes the call's status.
    """

    def __init__(self, repository: Repository, *, as_content: bool, check_method_names: bool) -> None:
        self._repository = repository
        self._as_content = as_content
        self._check_method_names = check_method_names

    async def predict(self, request: messages.PredictRequest, context: Context) -> messages.PredictResponse:
        servable = _find(self._repository, request)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        outputs = await predict(
            servable,
            name,
            request.inputs,
            output_filter=request.output_filter,
            check_method_name=self._check_method_names,
            timeout_s=context.time_remaining(),
        )
        response = messages.PredictResponse(model_spec=_resolved(servable, name))
        for alias, array in outputs.items():
            _encode(array, response.outputs[alias], as_content=self._as_content)
        return response

    async def classify(self, request: ClassificationRequest, context: Context) -> ClassificationResponse:
        servable = _find(self._repository, request)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        call = examples.prepare(
            classify, servable.signatures, name, request.input, check_method_name=self._check_method_names
        )
        outputs = await run(servable, call, timeout_s=context.time_remaining(), method="Classify")
        return ClassificationResponse(model_spec=_resolved(servable, name), result=classify.to_result(call, outputs))

    async def regress(self, request: RegressionRequest, context: Context) -> RegressionResponse:
        servable = _find(self._repository, request)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        call = examples.prepare(
            regress, servable.signatures, name, request.input, check_method_name=self._check_method_names
        )
        outputs = await run(servable, call, timeout_s=context.time_remaining(), method="Regress")
        return RegressionResponse(model_spec=_resolved(servable, name), result=regress.to_result(call, outputs))

    async def multi_inference(self, request: MultiInferenceRequest, context: Context) -> MultiInferenceResponse:
        spec = request.tasks[0].model_spec if request.tasks else messages.ModelSpec()
        servable = _find_spec(self._repository, spec)
        calls = multi_inference.prepare(servable.signatures, request, check_method_name=self._check_method_names)
        async with time_limit(context.time_remaining()):
            outputs = await servable.runner.run_several(calls.inputs, calls.outputs)
        examples.count(servable.name, calls.inputs[examples.INPUTS])
        response = MultiInferenceResponse(results=multi_inference.to_results(request.tasks, calls, outputs))
        for result, signature in zip(response.results, calls.outputs, strict=True):
            result.model_spec.CopyFrom(_resolved(servable, signature))
        return response

    async def metadata(
        self, request: messages.GetModelMetadataRequest, _: Context
    ) -> messages.GetModelMetadataResponse:
        _require_spec(request)
        if not request.metadata_field:
            msg = "GetModelMetadataRequest must specify at least one metadata_field"
            raise invalid(msg)
        for field in request.metadata_field:
            if field != SIGNATURE_DEF:
                msg = f"Metadata field {field} is not supported"
                raise invalid(msg)
        servable = _find(self._repository, request)
        signatures = messages.SignatureDefMap(signature_def=servable.signatures)
        packed = AnyMessage(type_url=_SIGNATURE_DEF_TYPE, value=signatures.SerializeToString())
        return messages.GetModelMetadataResponse(model_spec=_resolved(servable), metadata={SIGNATURE_DEF: packed})


def _services(methods: _Methods, model_service: ModelService) -> "tuple[grpc.GenericRpcHandler[Any, Any], ...]":
    return (
        grpc.method_handlers_generic_handler(
            "tensorflow.serving.PredictionService",
            {
                "Predict": _unary(methods.predict, messages.PredictRequest, counted_as="Predict"),
                "Classify": _unary(methods.classify, ClassificationRequest, counted_as="Classify"),
                "Regress": _unary(methods.regress, RegressionRequest, counted_as="Regress"),
                "MultiInference": _unary(methods.multi_inference, MultiInferenceRequest),
                "GetModelMetadata": _unary(methods.metadata, messages.GetModelMetadataRequest),
            },
        ),
        grpc.method_handlers_generic_handler(
            "tensorflow.serving.ModelService",
            {
                "GetModelStatus": _unary(model_service.status, messages.GetModelStatusRequest),
                "HandleReloadConfigRequest": _unary(model_service.reload, ReloadConfigRequest),
            },
        ),
    )


def _unary(
    answer: Callable[[Request, Context], Awaitable[Message]], request_type: type[Request], counted_as: str = ""
) -> Any:
    """Create the handler of a unary method.

    Args:
        answer: the method.
        request_type: the message type of its request.
        counted_as: the method's name in the metrics; empty if TensorFlow Serving does not count it
            (model_servers/prediction_service_impl.cc).
    """

    async def call(body: bytes, context: Context) -> Message:
        started = time.perf_counter()
        code, details = Code.OK, ""
        request = request_type()
        try:
            request.MergeFromString(body)
            return await answer(request, context)
        except DecodeError:
            code, details = Code.INTERNAL, f"Could not parse {request_type.DESCRIPTOR.name}."
        except ServingError as error:
            code, details = error.code, error.message
        except asyncio.CancelledError:  # the client has disconnected, or the deadline has passed
            code = Code.CANCELLED if _time_is_left(context) else Code.DEADLINE_EXCEEDED
            raise
        except Exception:
            logger.exception("%s failed with an unexpected error.", request_type.DESCRIPTOR.name)
            code, details = Code.INTERNAL, "Internal error; see the server's log."
        finally:
            if counted_as:
                _count(request, counted_as, code, started)
        if len(details) > _MAX_DETAILS:
            details = details[:_MAX_DETAILS] + "...TRUNCATED"
        return await context.abort(_STATUS_CODES[int(code)], details)

    return grpc.unary_unary_rpc_method_handler(
        call,  # parses the request itself, since the library logs a traceback for an invalid one
        response_serializer=lambda response: response.SerializeToString(),
    )


def _time_is_left(context: Context) -> bool:
    """Return whether the deadline is ahead.

    gRPC's timer may fire some milliseconds early.
    """
    remaining = context.time_remaining()
    return remaining is None or remaining > _TIMER_S


def _count(request: Any, method: str, code: Code, started: float) -> None:
    """Count a request.

    Observe the latency of successful ones only, as TensorFlow Serving does.
    """
    name = request.model_spec.name
    metrics.REQUEST_COUNT.add(name, code.name)
    if code is Code.OK:
        metrics.REQUEST_LATENCY.observe((time.perf_counter() - started) * 1e6, name, method, "GRPC")


def _require_spec(request: Message) -> None:
    if not request.HasField("model_spec"):
        msg = "Missing ModelSpec"
        raise invalid(msg)


def _find(repository: Repository, request: Any) -> Servable:
    _require_spec(request)
    return _find_spec(repository, request.model_spec)


def _find_spec(repository: Repository, spec: messages.ModelSpec) -> Servable:
    return repository.find(
        spec.name,
        spec.version.value if spec.HasField("version") else None,
        spec.version_label if spec.HasField("version_label") else None,
    )


def _resolved(servable: Servable, signature_name: str = "") -> messages.ModelSpec:
    """Return the response's model spec with the version used."""
    spec = messages.ModelSpec(name=servable.name, signature_name=signature_name)
    spec.version.value = servable.version
    return spec


def _encode(array: Array, message: messages.TensorProto, *, as_content: bool) -> None:
    try:
        encode_tensor(array, as_content=as_content, into=message)
    except TypeError as error:
        raise ServingError(Code.UNIMPLEMENTED, str(error)) from error
