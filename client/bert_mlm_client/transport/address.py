"""Parse the address of a model."""

import operator
import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Self
from urllib.parse import quote, urlsplit

from bert_mlm_client.errors import InputError

_PORTS = {"grpc": 8500, "grpcs": 443, "http": 8501, "https": 443}  # TensorFlow Serving's ports, TLS's behind a proxy
_MODEL_PATH = re.compile(r"/v1/models(/|$)")
EXAMPLES = "write grpc://127.0.0.1:8500 or http://127.0.0.1:8501"


@dataclass(frozen=True, slots=True)
class Servable:
    """A model at an address.

    Attributes:
        url: the address as given.
        scheme: grpc, grpcs, http or https.
        authority: ``host:port``, an IPv6 host in brackets.
        prefix: the path before ``/v1``, for a REST API behind a proxy.
        model: the model's name.
        version: its version, or None for the latest.
        peer: the ``ip:port`` to connect to if the name has several addresses; Host and TLS still use the name.
    """

    url: str
    scheme: str
    authority: str
    prefix: str
    model: str
    version: int | None
    peer: str | None = None

    @classmethod
    def parse(cls, url: str, *, model: str, version: int | None) -> Self:
        """Parse an address.

        Raises:
            InputError: the address lacks one of the four schemes or a host, or has unsupported parts; or the version is
                not a whole number.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            msg = f"the address {url!r} is not a URL ({error}); {EXAMPLES}"
            raise InputError(msg) from error
        problem = None
        if parts.scheme not in _PORTS or not parts.hostname:
            problem = f"needs one of {', '.join(f'{scheme}://' for scheme in _PORTS)} and a host"
        elif parts.username is not None or parts.query or parts.fragment:
            problem = "must not have a user, a query or a fragment"
        elif parts.scheme.startswith("grpc") and parts.path not in {"", "/"}:
            problem = "must not have a path with gRPC"
        elif _MODEL_PATH.search(parts.path):
            problem = "has the path of a model, which the client adds: leave out /v1/models and what follows"
        elif port == 0:
            problem = "has port 0, which is not valid"
        if problem or not parts.hostname:
            # Without user information, because addresses end up in logs.
            shown = url if parts.username is None else url.rpartition("@")[2]
            msg = f"the address {shown!r} {problem}; {EXAMPLES}"
            raise InputError(msg)
        try:
            name = parts.hostname.encode("idna").decode()
        except UnicodeError as error:
            msg = f"the address {url!r} has an invalid host ({error}); {EXAMPLES}"
            raise InputError(msg) from error
        version = _version(version)
        host = f"[{name}]" if ":" in name else name
        authority = f"{host}:{port or _PORTS[parts.scheme]}"
        prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        return cls(url, parts.scheme, authority, prefix, model, version)

    @property
    def title(self) -> str:
        """Return the model's name, with any version."""
        return self.model if self.version is None else f"{self.model}/versions/{self.version}"

    @property
    def place(self) -> str:
        """Return the address as given, with any peer."""
        return self.url if self.peer is None else f"{self.url} at {self.peer}"

    @property
    def host(self) -> str:
        """Return the host without the brackets of IPv6."""
        return self.authority.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Return the port."""
        return int(self.authority.rpartition(":")[2])

    @property
    def is_named(self) -> bool:
        """Return whether the host is a DNS name."""
        try:
            ip_address(self.host.partition("%")[0])
        except ValueError:
            return True
        return False

    @property
    def connect_to(self) -> str:
        """Return the ``host:port`` to connect to."""
        return self.peer or self.authority

    @property
    def model_path(self) -> str:
        """Return the model's REST path.

        The path itself returns the status; ``:predict`` is appended for Predict.
        """
        version = "" if self.version is None else f"/versions/{self.version}"
        return f"{self.prefix}/v1/models/{quote(self.model, safe='')}{version}"

    def at(self, address: str) -> Self:
        """Return the model at an IP address of the host."""
        host = f"[{address}]" if ":" in address else address
        return replace(self, peer=f"{host}:{self.port}")


def _version(version: int | None) -> int | None:
    if version is None:
        return None
    try:
        number = operator.index(version)
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        msg = f"the version is {version!r}; give a whole number that the server has, or None for the latest"
        raise InputError(msg)
    return number
