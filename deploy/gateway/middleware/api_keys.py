"""Check API keys."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.gateway import paths
from deploy.gateway.errors import ApiError

_HEALTH = frozenset((paths.HEALTHZ, paths.READYZ))
_DASHBOARD = frozenset((paths.DASHBOARD, paths.LOG_LINES))


def is_anonymous(request: Request) -> bool:
    """Return whether a health request lacks a required key."""
    return getattr(request.state, "is_anonymous", False)


class ApiKeys:
    """Require an API key for questions.

    It is sent as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.

    The dashboard shows error messages and log lines, so it requires a key, too. A browser can send one only as a
    password: for the dashboard alone, HTTP Basic (RFC 7617) with any user name is accepted as well.

    Health is open, since probes have no keys, but has more details with a key (`is_anonymous`). Page and documentation
    are open, too; their requests to the API send a key.

    Args:
        app: the next application.
        keys: the keys.
        metrics: whether /metrics requires one, too.
    """

    def __init__(self, app: ASGIApp, *, keys: Sequence[str], metrics: bool) -> None:
        self._app = app
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        takes_password = path in _DASHBOARD
        is_health = path in _HEALTH
        is_let_in = not (is_health or self._is_closed(path))
        if is_let_in or self._is_known(scope["headers"], takes_password=takes_password):
            await self._app(scope, receive, send)
            return
        if is_health:
            scope.setdefault("state", {})["is_anonymous"] = True
            await self._app(scope, receive, send)
            return
        words = "this gateway requires an API key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY"
        challenge = "Bearer"
        if takes_password:
            words += ", or give it to the browser as the password of any user"
            challenge = 'Basic realm="dashboard", charset="UTF-8"'
        rejection = ApiError(401, "UnauthorizedError", words, {"WWW-Authenticate": challenge})
        await rejection.rejection()(scope, receive, send)

    def _is_closed(self, path: str) -> bool:
        return paths.is_question(path) or path in _DASHBOARD or (self._metrics and path == paths.METRICS)

    def _is_known(self, headers: Iterable[tuple[bytes, bytes]], *, takes_password: bool) -> bool:
        """Compare digests in constant time.

        The timing reveals nothing about a key.
        """
        given = b""
        for name, value in headers:
            if name == b"x-api-key":
                given = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                given = value[7:].strip()
            elif takes_password and name == b"authorization" and value[:6].lower() == b"basic ":
                given = _password(value[6:])
        digest = hashlib.sha256(given).digest()
        return any(hmac.compare_digest(digest, known) for known in self._digests)


def _password(credentials: bytes) -> bytes:
    """Decode the password of HTTP Basic credentials.

    They are ``user:password`` in base64; the password is empty if they are invalid.
    """
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
