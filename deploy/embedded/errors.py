"""Errors with canonical status codes and TensorFlow Serving's texts."""

from enum import IntEnum


class Code(IntEnum):
    """The canonical status codes of gRPC and TensorFlow (google.rpc.Code)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


# ToHTTPStatusCode in tensorflow_serving/model_servers/http_server.cc
_HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """A request, or the load of a version, failed."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http_status(self) -> int:
        """Return the HTTP status of this error."""
        return _HTTP_STATUS[self.code]

    @property
    def text(self) -> str:
        """Return code and message in C++ format.

        An example is ``INVALID_ARGUMENT: ...``.
        """
        return f"{self.code.name}: {self.message}"


class StartError(Exception):
    """The server cannot start.

    The message says why and what to change.
    """


def invalid(message: str) -> ServingError:
    """Create an INVALID_ARGUMENT error."""
    return ServingError(Code.INVALID_ARGUMENT, message)
