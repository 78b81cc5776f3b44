"""Send JSON requests to Elasticsearch or Kibana."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from deploy.elasticsearch.errors import SetupError, UsageError

TIMEOUT_S = 30.0
_RETRY_S = 1.0
_NOT_READY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


@dataclass(frozen=True, slots=True)
class Login:
    """An account.

    Attributes:
        setting: the environment variable of the password, for error messages.
    """

    user: str
    password: str
    setting: str


class ApiError(SetupError):
    """The server rejected a request.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class JsonApi:
    """Client of a server's JSON API.

    Requests have timeouts. Errors are one sentence.
    """

    def __init__(
        self,
        url: str,
        login: Login | None = None,
        *,
        ca_file: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the connection without sending a request.

        Args:
            url: the server's address.
            login: the account; None if the server has security off.
            ca_file: the certificate authority of the server, if it is not a public one.
            timeout_s: the timeout of a request.
            headers: headers of every request.

        Raises:
            UsageError: the address or the file is invalid.
        """
        self.url = _checked(url)
        self._login = login
        self._client = httpx2.Client(
            base_url=self.url,
            auth=(login.user, login.password) if login else None,
            timeout=timeout_s,
            headers=headers,
            verify=_context(ca_file) if ca_file else True,
            trust_env=False,  # a proxy of the environment would get the password
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    @property
    def has_login(self) -> bool:
        """Whether requests have an account."""
        return self._login is not None

    def wait_until_ready(self, path: str, wait_s: float) -> None:
        """Retry a GET while the server starts.

        Raises:
            SetupError: there was no answer in time, or the server rejected the request.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                self.ask("GET", path)
            except SetupError as error:
                is_starting = not isinstance(error, ApiError) or error.status in _NOT_READY
                if not is_starting or time.monotonic() >= deadline:
                    raise
                time.sleep(_RETRY_S)
            else:
                return

    def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        missing: Any = None,
    ) -> Any:
        """Send a request and return the answer's JSON.

        Args:
            method: the HTTP method.
            path: the path with its query.
            document: the body.
            files: files of a multipart body.
            missing: what to return for a 404 if it is not None.

        Raises:
            ApiError: the server rejected the request.
            SetupError: the server cannot be reached, or its answer is not JSON.
        """
        try:
            response = self._client.request(method, path, json=document, files=files)
            answer = response.json() if response.content else {}
        except httpx2.TimeoutException as error:
            msg = f"{self.url} did not answer in time; check its log, and whether it is overloaded"
            raise SetupError(msg) from error
        except httpx2.HTTPError as error:
            msg = f"{self.url} cannot be reached ({error}); check the address and whether the server runs"
            raise SetupError(msg) from error
        except ValueError as error:
            msg = f"{self.url}{path} answered {response.status_code} without JSON; check the address"
            raise SetupError(msg) from error
        if response.status_code == HTTPStatus.NOT_FOUND and missing is not None:
            return missing
        if not response.is_success:
            raise ApiError(self._explained(method, path, response.status_code, answer), response.status_code)
        return answer

    def _explained(self, method: str, path: str, status: int, answer: Any) -> str:
        match status:
            case HTTPStatus.UNAUTHORIZED if self._login is None:
                return f"{self.url} requires a password; set ELASTIC_PASSWORD or ELASTIC_PASSWORD_FILE"
            case HTTPStatus.UNAUTHORIZED if self._login:
                return f"{self.url} rejected the password of {self._login.user}; check {self._login.setting}"
            case HTTPStatus.FORBIDDEN if self._login:
                return f"{self._login.user} may not {method} {path} at {self.url}; use an account that may"
        return f"{self.url} answered {method} {path} with {status}: {_reason(answer)}"


def _reason(answer: Any) -> str:
    """Return the reason of an Elasticsearch or Kibana error."""
    if not isinstance(answer, dict):
        return str(answer)[:300]
    error = answer.get("error", answer)
    if isinstance(error, dict) and error.get("failed_shards"):  # whose own reason is "all shards failed"
        error = error["failed_shards"][0].get("reason", error)
    causes: list[str] = []
    while isinstance(error, dict) and error:
        causes.append(str(error.get("reason") or error.get("message") or error)[:500])
        error = error.get("caused_by")
    if not causes:
        return str(answer.get("message") or error)[:500]
    return ", because ".join(dict.fromkeys(causes))


def _checked(url: str) -> str:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        msg = f"{url!r} is not an address ({error}); give one such as http://127.0.0.1:9200"
        raise UsageError(msg) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        msg = f"{url!r} is not an address; give one such as http://127.0.0.1:9200"
        raise UsageError(msg)
    if parsed.userinfo:
        msg = "the address has a password, which other users can see; set ELASTIC_PASSWORD or ELASTIC_PASSWORD_FILE"
        raise UsageError(msg)
    return url.rstrip("/")


def _context(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        msg = f"the certificate file {ca_file} cannot be read ({error}); give a file in PEM format"
        raise UsageError(msg) from error
