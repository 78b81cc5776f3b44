"""Add the routes of questions."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from deploy.gateway.api import responses
from deploy.gateway.api.json_route import JsonRoute
from deploy.gateway.api.request_limits import RequestLimits
from deploy.gateway.telemetry.recorder import Recorder

Client = TypeVar("Client")
Endpoint = Callable[[Any], Awaitable[JSONResponse]]

PROBLEMS = {
    400: "The body is not JSON, or a text is invalid: no [MASK], too long, a control character.",
    401: "The API key is missing or wrong, if the gateway requires one.",
    408: "The body arrived too slowly.",
    413: "The body or its answer is too large, or there are too many sentences or characters.",
    415: "The Content-Type is not JSON, or the body's encoding is not supported.",
    422: "A field is missing, unknown or of another type.",
    429: "Too many concurrent requests; retry after Retry-After.",
    500: "An internal error of the gateway.",
    501: "The served version of the model cannot answer this kind of question.",
    502: "The model server answered with an error.",
    503: "The model server is unreachable, loads the model, or is overloaded.",
    504: "The model server did not answer in time.",
}
NO_CLASSIFIER = {404: "The gateway has no classifier."}


class QuestionGroup(Generic[Client]):
    """Endpoints that ask one client.

    Args:
        client: the client of the model server.
        recorder: records the questions.
        limits: the limits of one request.
    """

    def __init__(self, client: Client, recorder: Recorder, limits: RequestLimits) -> None:
        self._client = client
        self._recorder = recorder
        self._limits = limits


def add_question(
    app: FastAPI,
    path: str,
    endpoint: Endpoint,
    *,
    answer: Any,
    tag: str,
    problems: dict[int, str] | None = None,
) -> None:
    """Add the route of one kind of question.

    Args:
        app: the application.
        path: the path of the POST requests.
        endpoint: answers a validated body.
        answer: the answer's schema.
        tag: the group in the documentation.
        problems: statuses beyond those of all questions, with their meaning.
    """
    described = sorted({**PROBLEMS, **(problems or {})}.items())
    app.router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=answer,
        responses={status: {"model": responses.Problem, "description": about} for status, about in described},
        summary=inspect.cleandoc(endpoint.__doc__ or "").partition("\n")[0] or None,
        operation_id=getattr(endpoint, "__name__"),  # noqa: B009  a Callable has no __name__ for a type checker
        tags=[tag],
        route_class_override=JsonRoute,
    )
