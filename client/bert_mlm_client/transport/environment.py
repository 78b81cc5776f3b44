"""Read proxies and trusted certificates from the environment."""

import os
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from bert_mlm_client.errors import InputError
from bert_mlm_client.transport.address import Servable

if TYPE_CHECKING:
    import httpcore2

UNTRUSTED = re.compile(r"certificate.verify.failed|hostname verification check|not in peer certificate", re.IGNORECASE)
"""Messages of OpenSSL and gRPC for an untrusted certificate."""

_GRPC_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")  # the first that is set; lower case only


def http_proxy(servable: Servable) -> tuple["httpcore2.Proxy | None", str]:
    """Return REST's proxy and its description for errors.

    The description omits the password.

    Raises:
        InputError: the proxy is not an HTTP proxy, for example SOCKS, or not a URL.
    """
    proxies = getproxies()
    scheme = servable.scheme if proxies.get(servable.scheme) else "all"
    url = proxies.get(scheme)
    if not url or proxy_bypass(servable.authority):
        return None, ""
    variable = next(
        (name for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()) if os.environ.get(name)), "a proxy"
    )
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in {"http", "https"}:
        msg = (
            f"{variable} is {_without_password(url)!r}, which is not an HTTP proxy; set it to http://host:port, "
            f"unset it, or add {servable.host} to no_proxy"
        )
        raise InputError(msg)
    auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    import httpcore2  # not needed over gRPC

    at = httpcore2.URL(scheme=parts.scheme, host=host, port=port, target="/")
    return httpcore2.Proxy(at, auth), _through(variable, url)


def grpc_proxy(servable: Servable) -> str:
    """Describe gRPC's proxy for errors.

    Empty without a proxy.
    """
    variable = next((name for name in _GRPC_VARIABLES if os.environ.get(name)), None)
    url = os.environ[variable] if variable else ""
    if not variable or not url.startswith("http://") or proxy_bypass(servable.authority):  # gRPC supports no other kind
        return ""
    return _through(variable, url)


def _through(variable: str, url: str) -> str:
    return f"through the proxy {_without_password(url)} ({variable}): "


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def check_roots() -> None:
    """Check the certificate file that SSL_CERT_FILE names.

    Both protocols use it in place of the system's trusted roots.

    Raises:
        InputError: the file does not exist or has no certificate.
    """
    path = os.environ.get("SSL_CERT_FILE")
    if path:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError as error:
            msg = f"SSL_CERT_FILE is {path!r}, which is not a certificate file ({error}); name a PEM file, or unset it"
            raise InputError(msg) from error
