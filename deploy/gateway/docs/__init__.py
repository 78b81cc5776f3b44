"""The API's documentation in a browser, without a request to anywhere else.

FastAPI's own /docs loads Swagger UI from a CDN and starts it by a script inside the page; the gateway's policy allows
neither. Here its files are those of the installed package fastapi-offline, and page and script are our own.
"""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse

from deploy.gateway import paths

_HERE = Path(__file__).parent
_SWAGGER_UI = ("swagger-ui-bundle.js", "swagger-ui.css")
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
    files = {"start.js": _HERE / "start.js", **{name: _package() / name for name in _SWAGGER_UI}}

    async def page(_request: Request) -> FileResponse:
        return FileResponse(_HERE / "index.html", headers={"Content-Security-Policy": _POLICY})

    async def file(request: Request) -> FileResponse:
        path = files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        return FileResponse(path)

    app.add_route(paths.DOCS, page, ["GET"], include_in_schema=False)
    app.add_route(f"{paths.DOCS}/{{name}}", file, ["GET"], include_in_schema=False)


def _package() -> Path:
    """Return the folder of the package's files; it is not imported, since it would bring an application of its own."""
    spec = find_spec("fastapi_offline")
    assert spec is not None  # noqa: S101  a dependency
    assert spec.origin is not None  # noqa: S101  it is no namespace
    return Path(spec.origin).parent / "static"
