"""API keys: who may ask."""

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


def is_anonymous(request: Request) -> bool:
    """Return whether a request for health brought no key where keys are set."""
    return getattr(request.state, "is_anonymous", False)


class ApiKeys:
    """Let questions through that bring a key, as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.

    The dashboard shows what errors say, and so asks for a key, too. A browser that opens it can send one only as a
    password: there alone, HTTP Basic (RFC 7617) counts as well, with any user name.

    Health is open to everybody, since probes have no keys, but tells more to who brings one (`is_anonymous`). Page and
    documentation are open, too; they ask with a key.

    Args:
        app: what answers.
        keys: the keys.
        metrics: whether /metrics asks for one, too.
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
        takes_password = path == paths.DASHBOARD
        is_health = path in _HEALTH
        is_let_in = not (is_health or self._is_closed(path))
        if is_let_in or self._is_known(scope["headers"], takes_password=takes_password):
            await self._app(scope, receive, send)
            return
        if is_health:
            scope.setdefault("state", {})["is_anonymous"] = True
            await self._app(scope, receive, send)
            return
        words = "this gateway asks for an API key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY"
        challenge = "Bearer"
        if takes_password:
            words += ", or give it to the browser as the password of any user"
            challenge = 'Basic realm="dashboard", charset="UTF-8"'
        refusal = ApiError(401, "UnauthorizedError", words, {"WWW-Authenticate": challenge})
        await refusal.response()(scope, receive, send)

    def _is_closed(self, path: str) -> bool:
        return paths.is_question(path) or path == paths.DASHBOARD or (self._metrics and path == paths.METRICS)

    def _is_known(self, headers: Iterable[tuple[bytes, bytes]], *, takes_password: bool) -> bool:
        """Compare in constant time, by digests of one length, so that no timing tells how much of a key is right."""
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
    """Return the password of ``user:password`` in base64, nothing if it is not that."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
