"""Routes whose body is JSON of one type, read by pydantic from the bytes in one step.

FastAPI would parse the JSON in Python, solve the dependencies of an endpoint that has none, and validate afterwards;
the declaration, and with it the OpenAPI document, stays FastAPI's.
https://fastapi.tiangolo.com/how-to/custom-request-and-route/
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from deploy.gateway.api.validation import invalid_body
from deploy.gateway.errors import ApiError


class JsonRoute(APIRoute):
    """A route to an endpoint with one argument, its body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        endpoint = self.endpoint
        [argument] = inspect.signature(endpoint).parameters.values()
        model: type[BaseModel] = argument.annotation

        async def handle(request: Request) -> Response:
            content = await request.body()
            _check_media_type(request.headers.get("content-type", ""), content)
            try:
                body = model.model_validate_json(content)
            except ValidationError as error:
                raise invalid_body(error) from error
            response: Response = await endpoint(body)
            return response

        return handle


def _check_media_type(content_type: str, content: bytes) -> None:
    """Insist on JSON by name: a form of another site cannot send that without asking the browser first.

    Raises:
        ApiError: the body is of another type, or there is none.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return
    if not content:
        raise ApiError(422, "ValidationError", "the body is empty; send JSON with Content-Type: application/json")
    words = f"the body is {media_type or 'of no type'}; send JSON with Content-Type: application/json"
    raise ApiError(415, "UnsupportedMediaTypeError", words)
