"""Validate JSON bodies with pydantic in one step.

FastAPI would parse the JSON in Python, resolve the dependencies of an endpoint without any, and validate afterwards.
Routes are still declared to FastAPI, which generates the OpenAPI document.
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
    """A route whose endpoint has one argument, the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
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
