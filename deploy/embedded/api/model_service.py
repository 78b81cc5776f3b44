"""Implement tensorflow.serving.ModelService over gRPC.

Follows tensorflow_serving/model_servers/model_service_impl.cc and get_model_status_impl.cc.
"""

import logging
from typing import Any

import grpc
from bert_mlm_client.wire import messages

from deploy.embedded.errors import Code, invalid
from deploy.embedded.lifecycle.config import listed_models
from deploy.embedded.lifecycle.manager import Lifecycle
from deploy.embedded.proto.config_pb2 import ReloadConfigRequest, ReloadConfigResponse
from deploy.embedded.repository import Repository

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class ModelService:
    """Report version states and reload the list of models."""

    def __init__(self, repository: Repository, lifecycle: Lifecycle) -> None:
        self._repository = repository
        self._lifecycle = lifecycle

    async def status(self, request: messages.GetModelStatusRequest, _: Context) -> messages.GetModelStatusResponse:
        """Return the states of a model's versions or of one.

        A label is ignored, as upstream.
        """
        if not request.HasField("model_spec"):
            msg = "Missing ModelSpec"
            raise invalid(msg)
        spec = request.model_spec
        response = messages.GetModelStatusResponse()
        for version in self._repository.status(spec.name, spec.version.value if spec.HasField("version") else None):
            entry = response.model_version_status.add(version=version.number, state=version.state.name)
            entry.status.error_code = version.error.code if version.error else Code.OK
            entry.status.error_message = version.error.message if version.error else ""
        return response

    async def reload(self, request: ReloadConfigRequest, _: Context) -> ReloadConfigResponse:
        """Replace the served models.

        The answer is sent when each new one is available.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            msg = (
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
            raise invalid(msg)
        models = listed_models(request.config, self._lifecycle.names)
        logger.info("A client asks to serve: %s.", ", ".join(model.name for model in models) or "no model")
        await self._lifecycle.reload(models)
        return ReloadConfigResponse(status=ReloadConfigResponse.Status())
