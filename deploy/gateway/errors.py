"""Convert every error to an answer.

Its body is ``{"error": …, "error_type": …}``, with one of these statuses:

| status | when |
|---|---|
| 400 | malformed HTTP or JSON, or an invalid text: no [MASK], too long, a control character |
| 401 | the API key is missing or wrong |
| 404, 405 | unknown path, or wrong method |
| 408 | the header or the body arrived too slowly |
| 413 | the body is too large, or has too many sentences or characters |
| 415 | the Content-Type is not JSON |
| 422 | the JSON does not match the schema |
| 429 | too many concurrent requests; retry after Retry-After |
| 431 | the request header is too large |
| 500 | an internal error of the gateway |
| 501 | the served version cannot answer this kind of question |
| 502 | the model server answered with an error or with invalid data |
| 503 | the model server is unreachable, loading or overloaded; or too many connections or bodies |
| 504 | the model server did not answer in time |
"""

import math
from collections.abc import Mapping
from http import HTTPStatus

import bert_mlm_client as client
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from deploy.gateway import paths
from deploy.gateway.context import current

RETRY_AFTER_S = 1

# The server's messages contain addresses and paths, so they go to the log only, under the request's id.
_SERVER_PROBLEMS: dict[type[client.BertMlmError], tuple[int, str]] = {
    client.UnreachableError: (503, "the model server cannot be reached; try again later"),
    client.ModelNotFoundError: (503, "the model server does not serve the model yet; try again later"),
    client.OverloadedError: (503, "the model server cannot take the request now; try again later"),
    client.ServerTimeoutError: (504, "the model server did not answer in time; try again later, or ask less at once"),
    client.DeadlineError: (504, "the model server did not finish in time; try again later, or ask less at once"),
    client.SignatureNotFoundError: (501, "the served version of the model cannot answer this kind of question"),
    client.BertMlmError: (502, "the model server answered with an error"),
}

# The client's hints name its arguments; callers of the API have fields.
_TRUNCATE = '"parameters": {"truncate": true}'
_OPTIONS = {"truncate=True": _TRUNCATE, "TextPair(text, text_pair)": '{"text": "…", "text_pair": "…"}'}
_OPTIONS_BY_PATH = {
    paths.PREDICT: {"truncate=True": f"{_TRUNCATE} at {paths.FILL_MASK}"},
    paths.FEATURE_EXTRACTION: {"truncate=True": '"truncate": true'},
}
_WITHOUT_OPTIONS = frozenset({paths.SIMILARITY, paths.SENTENCE_SIMILARITY})


class ApiError(Exception):
    """An error answer.

    Attributes:
        status: the HTTP status.
        error_type: the class of the error, for programs.
        message: what is wrong and what to do.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, error_type: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message
        self.headers = headers

    def response(self) -> JSONResponse:
        """Return the error as a response."""
        return JSONResponse({"error": self.message, "error_type": self.error_type}, self.status, self.headers)

    def rejection(self) -> JSONResponse:
        """Return the error as the response to a rejected request.

        The rejection is recorded.
        """
        if context := current.get():
            context.on_rejected(self)
        return self.response()


def from_client(error: client.BertMlmError) -> ApiError:
    """Convert an error of the client."""
    error_type = type(error).__name__
    if isinstance(error, client.InputError):
        return ApiError(400, error_type, _with_field(error))
    status, words = _status_and_message(type(error))
    context = current.get()
    where = f" (see request {context.request_id} in the gateway's log)" if context else ""
    return ApiError(status, error_type, words + where, _retry_after(error) if status == 503 else None)


def status_of(error: Exception) -> int:
    """Return the HTTP status of the answer to an error."""
    match error:
        case ApiError():
            return error.status
        case client.BertMlmError():
            return from_client(error).status
    return internal_error().status


def public_message(kind: type[client.BertMlmError]) -> str:
    """Return the message of an error without addresses and paths."""
    return _status_and_message(kind)[1]


def stopping() -> ApiError:
    """Create the error for requests in flight at shutdown."""
    words = "the gateway is stopping; retry"
    return ApiError(503, "StoppingError", words, {"Retry-After": str(RETRY_AFTER_S)})


def internal_error() -> ApiError:
    """Create the error for an exception without its details."""
    context = current.get()
    where = f"; see request {context.request_id} in its log" if context else ""
    return ApiError(500, "InternalError", f"the gateway failed{where}")


def response_to(error: ApiError | client.BertMlmError) -> JSONResponse:
    """Return the answer to an error, and record a rejection."""
    if isinstance(error, client.BertMlmError):
        return from_client(error).response()
    context = current.get()
    # A question that was asked has its own line.
    return error.response() if context and context.asked else error.rejection()


def add_handlers(app: FastAPI) -> None:
    """Register the exception handlers."""
    app.add_exception_handler(ApiError, _known_error)
    app.add_exception_handler(client.BertMlmError, _known_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _known_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError | client.BertMlmError)  # noqa: S101  registered for these classes
    return response_to(error)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    """Convert Starlette's HTTPException to the API's error format."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    if context := current.get():
        # Without the caller's own words, which may be private.
        context.on_rejected(_http_problem(error, "the path", "the method"))
    return _http_problem(error, request.scope["path"], request.method).response()


def _http_problem(error: HTTPException, path: str, method: str) -> ApiError:
    match error.status_code:
        case 404:
            return ApiError(404, "NotFoundError", f"{path} does not exist; /docs lists the addresses")
        case 405:
            allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow") or "GET"
            words = f"{path} does not allow {method}; use {allowed}"
            return ApiError(405, "MethodNotAllowedError", words, {"Allow": allowed})
        case status:
            return ApiError(status, "HTTPError", HTTPStatus(status).phrase, error.headers)


def _with_field(error: client.InputError) -> str:
    """Return the message with the API's option name."""
    message, option = str(error.args[0]), error.option
    if option is None:
        return message
    context = current.get()
    path = (context and context.path) or ""
    if path in _WITHOUT_OPTIONS:
        return message.partition(", or ")[0]
    options = {**_OPTIONS, **_OPTIONS_BY_PATH.get(path, {})}
    return message.replace(option, options.get(option, option))


def _status_and_message(kind: type[client.BertMlmError]) -> tuple[int, str]:
    return next(_SERVER_PROBLEMS[one] for one in kind.__mro__ if one in _SERVER_PROBLEMS)


def _retry_after(error: client.BertMlmError) -> dict[str, str]:
    """Return the model server's Retry-After in whole seconds."""
    asked = error.retry_after_s if isinstance(error, client.OverloadedError) else None
    return {"Retry-After": str(max(RETRY_AFTER_S, math.ceil(asked or 0)))}
