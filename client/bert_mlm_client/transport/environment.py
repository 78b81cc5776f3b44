"""What environment variables say about the way to a server: the proxy on it, and whose certificates are trusted."""

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

REFUSED = re.compile(r"certificate.verify.failed|hostname verification check|not in peer certificate", re.IGNORECASE)
"""How OpenSSL and gRPC call a certificate that is not believed."""

_OF_GRPC = ("grpc_proxy", "https_proxy", "http_proxy")  # the first that is set, in small letters only


def http_proxy(servable: Servable) -> tuple["httpcore2.Proxy | None", str]:
    """Return the proxy of REST, and what to call it in an error, without its password.

    Raises:
        InputError: it is no HTTP proxy, say one for SOCKS, or no address at all.
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
            f"{variable} is {_without_password(url)!r}, which is no HTTP proxy; write http://host:port there, "
            f"or unset it, or add {servable.host} to no_proxy"
        )
        raise InputError(msg)
    auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    import httpcore2  # which gRPC can do without

    at = httpcore2.URL(scheme=parts.scheme, host=host, port=port, target="/")
    return httpcore2.Proxy(at, auth), _through(variable, url)


def grpc_proxy(servable: Servable) -> str:
    """Return what to call the proxy that gRPC goes through, by rules of its own; nothing if there is none."""
    variable = next((name for name in _OF_GRPC if os.environ.get(name)), None)
    url = os.environ[variable] if variable else ""
    if not variable or not url.startswith("http://") or proxy_bypass(servable.authority):  # gRPC has no other kind
        return ""
    return _through(variable, url)


def _through(variable: str, url: str) -> str:
    return f"through the proxy {_without_password(url)} ({variable}): "


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def check_roots() -> None:
    """Check the file of trusted roots that SSL_CERT_FILE names, which both protocols read in place of the system's.

    Raises:
        InputError: there is no such file, or it has no certificate.
    """
    path = os.environ.get("SSL_CERT_FILE")
    if path:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError as error:
            msg = f"SSL_CERT_FILE is {path!r}, which is no file of certificates ({error}); name one in PEM, or unset it"
            raise InputError(msg) from error
