"""A transport of the client that notes when a request goes to the model server, when it is answered, and by whom."""
# ruff: noqa: ASYNC109  a deadline travels with the call

from bert_mlm_client import ModelStatus
from bert_mlm_client.transport import Answer, AsyncTransport, Request

from deploy.gateway.context import current


class TimedTransport:
    """Asks through another transport; what it notes is in the request's context, where there is one."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def predict(self, request: Request, *, timeout: float) -> Answer:
        """Ask; see `AsyncTransport.predict`."""
        context = current.get()
        if context is None:
            return await self._transport.predict(request, timeout=timeout)
        context.send()
        try:
            answer = await self._transport.predict(request, timeout=timeout)
        finally:
            context.receive()
        context.model_version = answer.version
        return answer

    async def status(self, *, timeout: float) -> ModelStatus:
        """Ask how the model's versions fare; see `AsyncTransport.status`."""
        return await self._transport.status(timeout=timeout)

    async def close(self) -> None:
        """Close the other transport."""
        await self._transport.close()
