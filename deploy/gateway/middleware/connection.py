"""Apply the settings' limits and the error format to connections."""

from deploy.gateway.errors import RETRY_AFTER_S, ApiError
from deploy.gateway.middleware.envelope import SECURITY_HEADERS
from deploy.gateway.settings import Settings
from deploy.http import Connection, Headers

_TYPES = {
    400: "MalformedRequestError",
    408: "HeadTimeoutError",
    431: "HeadTooLargeError",
    503: "ConnectionLimitError",
}


class GatewayConnection(Connection):
    """A client's connection."""

    def error(self, status: int, words: str) -> tuple[Headers, bytes]:
        """Format an error as ``{"error": …, "error_type": …}``."""
        later = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
        sentence = words[:1].lower() + words[1:].rstrip(".")  # the style of all other messages
        response = ApiError(status, _TYPES[status], sentence, later).response()
        own = [header for header in response.raw_headers if header[0] != b"content-length"]
        return (*own, *SECURITY_HEADERS), bytes(response.body)

    def on_timeout(self) -> None:
        """Answer 408 if the header is incomplete.

        `BodyLimit` handles slow bodies.
        """
        if self._in_body and not self.cycle.response_started:
            return
        if self._in_head and not self.transport.get_write_buffer_size():
            self.reject(408, f"The request header did not arrive within {self.patience_s:g} s; send it without delay.")
        else:
            self.transport.abort()


def limited(settings: Settings) -> type[GatewayConnection]:
    """Return the connection class with the settings' limits."""

    class Limited(GatewayConnection):
        max_connections = settings.max_connections
        patience_s = settings.client_timeout_s

    return Limited
