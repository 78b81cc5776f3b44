"""Implement grpc.health.v1.Health for Kubernetes and load balancers.

The port opens when every model is loaded, so the status is SERVING until the server stops. The service names are those
of TensorFlow Serving's health service (model_servers/server.cc), which differ from those of its protos.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICES = ("", "ModelService", "PredictionService")

_SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING)
_NOT_SERVING = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
_UNKNOWN = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)


class Health:
    """The health service of one server."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Report NOT_SERVING from now on, and end the Watch streams."""
        self._stopping.set()

    def handler(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """Return the service's gRPC handler."""
        messages = {
            "request_deserializer": HealthCheckRequest.FromString,
            "response_serializer": HealthCheckResponse.SerializeToString,
        }
        methods: dict[str, Any] = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, **messages),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **messages),
        }
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)

    async def _check(
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> HealthCheckResponse:
        if request.service not in SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return _NOT_SERVING if self._stopping.is_set() else _SERVING

    async def _watch(self, request: HealthCheckRequest, _: Any) -> AsyncIterator[HealthCheckResponse]:
        known = request.service in SERVICES
        yield _SERVING if known else _UNKNOWN
        await self._stopping.wait()
        if known:
            yield _NOT_SERVING
