"""Serve the API's documentation without external requests.

FastAPI's own /docs loads Swagger UI from a CDN and starts it by an inline script; the gateway's content security policy
allows neither. The files come from the installed package fastapi-offline; page, style and scripts are in this folder.
The header is that of the workbench.
"""

from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from deploy.gateway import paths

_HERE = Path(__file__).parent
_FILES = frozenset(("docs.css", "start.js", "swagger-ui-bundle.js", "swagger-ui.css", "words.js"))
# Swagger UI uses inline styles and data: images.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def describe_keys(app: FastAPI) -> None:
    """Add the API keys to the OpenAPI document."""
    document = app.openapi()
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    document["security"] = [{}, {"bearer": []}, {"key": []}]


def add_to(app: FastAPI) -> None:
    """Add the routes of the page and its files."""
    # StaticFiles locates the package without importing it, which would create another application.
    files = StaticFiles(directory=_HERE, packages=[("fastapi_offline", "static")])

    async def answer(name: str, request: Request) -> Response:
        response = await files.get_response(name, request.scope)
        response.headers["Cache-Control"] = "no-cache"  # files of two versions must not mix
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
