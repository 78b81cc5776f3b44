"""Measure requests to the model server in the client's transport."""
# ruff: noqa: ASYNC109  the deadline is an argument of the transport

from bert_mlm_client import ModelStatus
from bert_mlm_client.transport import Answer, AsyncTransport, Request

from deploy.gateway.context import current


class TimedTransport:
    """Wrap a transport.

    Times and version go to the current request's context, if any.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def predict(self, request: Request, *, timeout: float) -> Answer:
        """Send a request (see `AsyncTransport.predict`)."""
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
        """Return the model's status (see `AsyncTransport.status`)."""
        return await self._transport.status(timeout=timeout)

    async def close(self) -> None:
        """Close the wrapped transport."""
        await self._transport.close()
