"""How the gateway says no: every error is ``{"error": …, "error_type": …}`` with the status that fits.

| status | when |
|---|---|
| 400 | no HTTP, a body that is no JSON, or a text that cannot be asked: no [MASK], too long, a control character |
| 401 | no API key, or a wrong one |
| 404, 405 | no such address, or not with this method |
| 408 | the head or the body came too slowly |
| 413 | the body is too large, or it has too many sentences |
| 415 | the body is not said to be JSON |
| 422 | the JSON has not the fields of the schema |
| 429 | too many requests at a time; Retry-After says when to come again |
| 431 | the head of the request is too large |
| 500 | a fault of the gateway |
| 501 | the served version cannot answer this kind of question |
| 502 | the model server answered with something that is no answer |
| 503 | the model server is not there, loads the model, or is overloaded; or connections or bodies are too many |
| 504 | the model server did not answer in time |
"""

import math
from collections.abc import Mapping
from http import HTTPStatus

import bert_mlm_client as client
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from deploy.gateway.context import current

RETRY_AFTER_S = 1

# The server's own words name addresses and files: they are for the log, under the request's id.
_SERVER_PROBLEMS: dict[type[client.BertMlmError], tuple[int, str]] = {
    client.UnreachableError: (503, "the model server cannot be reached; try again later"),
    client.ModelNotFoundError: (503, "the model server does not serve the model yet; try again later"),
    client.OverloadedError: (503, "the model server cannot take the request now; try again later"),
    client.ServerTimeoutError: (504, "the model server did not answer in time; try again later, or ask less at once"),
    client.DeadlineError: (504, "the model server did not finish in time; try again later, or ask less at once"),
    client.SignatureNotFoundError: (501, "the served version of the model cannot answer this kind of question"),
    client.BertMlmError: (502, "the model server answered with an error"),
}


class ApiError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: the HTTP status.
        error_type: what kind of error, for programs.
        message: what is wrong and what to do, for people.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, error_type: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message
        self.headers = headers

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse({"error": self.message, "error_type": self.error_type}, self.status, self.headers)


def from_client(error: client.BertMlmError) -> ApiError:
    """Return the answer to what the client raised."""
    error_type = type(error).__name__
    if isinstance(error, client.InputError):
        return ApiError(400, error_type, str(error.args[0]))
    status, words = _told(type(error))
    context = current.get()
    where = f" (the gateway's log says more under request {context.request_id})" if context else ""
    return ApiError(status, error_type, words + where, _retry_after(error) if status == 503 else None)


def plain_words(kind: type[client.BertMlmError]) -> str:
    """Return what everybody may know of such an error: no address and no file is in it."""
    return _told(kind)[1]


def stopping() -> ApiError:
    """Return the answer to a request that has not ended when the gateway ends."""
    words = "the gateway is stopping; ask again"
    return ApiError(503, "StoppingError", words, {"Retry-After": str(RETRY_AFTER_S)})


def internal_error() -> ApiError:
    """Return the answer to a request that met a fault of ours, of which it tells nothing."""
    context = current.get()
    where = f"; the gateway's log says more under request {context.request_id}" if context else ""
    return ApiError(500, "InternalError", f"the gateway failed{where}")


def add_handlers(app: FastAPI) -> None:
    """Answer every exception of the application in one form."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(client.BertMlmError, _client_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101  registered for it
    return error.response()


async def _client_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, client.BertMlmError)  # noqa: S101  registered for it
    return from_client(error).response()


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    """Say in our form what routing and static files refuse."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    path = request.scope["path"]
    match error.status_code:
        case 404:
            problem = ApiError(404, "NotFoundError", f"there is nothing at {path}; /docs lists the addresses")
        case 405:
            allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow") or "GET"
            words = f"{path} does not take {request.method}; use {allowed}"
            problem = ApiError(405, "MethodNotAllowedError", words, {"Allow": allowed})
        case status:
            problem = ApiError(status, "HTTPError", HTTPStatus(status).phrase, error.headers)
    return problem.response()


def _told(kind: type[client.BertMlmError]) -> tuple[int, str]:
    return next(_SERVER_PROBLEMS[one] for one in kind.__mro__ if one in _SERVER_PROBLEMS)


def _retry_after(error: client.BertMlmError) -> dict[str, str]:
    """Pass on when the model server wants to be asked again, in whole seconds."""
    asked = error.retry_after_s if isinstance(error, client.OverloadedError) else None
    return {"Retry-After": str(max(RETRY_AFTER_S, math.ceil(asked or 0)))}
