"""Answer JSON requests with little of FastAPI between.

FastAPI would parse the JSON in Python, resolve the dependencies of an endpoint without any, and validate afterwards;
pydantic does it in one step. `JsonRoutes` passes requests to their routes by path, without FastAPI's router, exception
handlers and exit stacks. Routes are still declared to FastAPI, which generates the OpenAPI document and answers
everything else.
https://fastapi.tiangolo.com/how-to/custom-request-and-route/
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bert_mlm_client import BertMlmError
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.gateway.api.encoding import check_utf8, to_utf8
from deploy.gateway.api.validation import invalid_body
from deploy.gateway.errors import ApiError, response_to


class JsonRoute(APIRoute):
    """Route with an endpoint of one argument, the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        endpoint = self.endpoint
        [argument] = inspect.signature(endpoint).parameters.values()
        model: type[BaseModel] = argument.annotation

        async def handle(request: Request) -> Response:
            content = await request.body()
            content_type = request.headers.get("content-type", "")
            _check_media_type(content_type, content)
            content = to_utf8(content_type, content)
            try:
                body = model.model_validate_json(content)
            except ValidationError as error:
                check_utf8(content)  # here only, since the parser has checked it for valid bodies
                raise invalid_body(error) from error
            response: Response = await endpoint(body)
            return response

        self.respond = handle
        return handle


class JsonRoutes:
    """Innermost middleware for the application's JSON routes.

    Args:
        app: answers all others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._routes: Mapping[str, JsonRoute] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._routes is None:  # at the first request, since routes are added after the middleware
            routes = scope["app"].routes
            self._routes = {route.path: route for route in routes if isinstance(route, JsonRoute)}
        route = self._routes.get(scope["path"])
        if route is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await route.respond(Request(scope, receive))
        except (ApiError, BertMlmError) as error:
            response = response_to(error)
        await response(scope, receive, send)


def _check_media_type(content_type: str, content: bytes) -> None:
    """Require a JSON media type.

    A form of another site cannot send it without a CORS preflight.

    Raises:
        ApiError: the body is empty or has another media type.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return
    if not content:
        raise ApiError(422, "ValidationError", "the body is empty; send JSON with Content-Type: application/json")
    words = f"the body is {media_type or 'of no type'}; send JSON with Content-Type: application/json"
    raise ApiError(415, "UnsupportedMediaTypeError", words)
