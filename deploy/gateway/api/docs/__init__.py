"""The API's documentation in a browser, without a request to anywhere else.

FastAPI's own /docs loads Swagger UI from a CDN and starts it by a script inside the page; the gateway's policy allows
neither. Here its files are those of the installed package fastapi-offline, and page and script are our own.
"""

from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from deploy.gateway import paths

_HERE = Path(__file__).parent
_FILES = frozenset(("start.js", "swagger-ui-bundle.js", "swagger-ui.css"))
# Swagger UI writes styles into its elements and has its pictures as data.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def describe_keys(app: FastAPI) -> None:
    """Say in the OpenAPI document how a key is sent where a gateway asks for one; the page then has a field for it."""
    document = app.openapi()
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    document["security"] = [{}, {"bearer": []}, {"key": []}]


def add_to(app: FastAPI) -> None:
    """Add the addresses of the page and its files."""
    # The package is found and not imported: it would bring an application of its own.
    files = StaticFiles(directory=_HERE, packages=[("fastapi_offline", "static")])

    async def answer(name: str, request: Request) -> Response:
        response = await files.get_response(name, request.scope)
        response.headers["Cache-Control"] = "no-cache"  # files of two versions do not go together
        return response

    async def page(request: Request) -> Response:
        response = await answer("index.html", request)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            raise HTTPException(404)
        return await answer(name, request)

    app.add_route(paths.DOCS, page, ["GET"], include_in_schema=False)
    app.add_route(f"{paths.DOCS}/{{name}}", file, ["GET"], include_in_schema=False)
