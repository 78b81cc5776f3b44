"""Open and close the gRPC and REST ports.

The log messages about the ports are TensorFlow Serving's (model_servers/server.cc), as scripts wait for them.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from pathlib import Path
from typing import Protocol

import grpc
import uvicorn
from uvicorn.server import ServerState

from deploy.embedded.api.health import Health
from deploy.embedded.api.rest import RestApi
from deploy.embedded.api.rest_connection import RestConnection
from deploy.embedded.errors import StartError
from deploy.http import IDLE_S, end_overdue

logger = logging.getLogger(__name__)

_LONGEST_SOCKET_PATH = 103  # bytes; 107 on Linux, 103 on macOS


class Server(Protocol):
    """A server that can be started and stopped."""

    address: str

    async def start(self) -> None:
        """Open the port.

        Raises:
            StartError: the port is taken.
        """

    async def stop(self, grace_s: float) -> None:
        """Close the port.

        Requests in flight have ``grace_s`` seconds.
        """


class GrpcServer:
    """The gRPC API on a port, Unix socket or both."""

    def __init__(
        self,
        server: grpc.aio.Server,
        *,
        host: str,
        port: int,
        socket_path: str = "",
        credentials: grpc.ServerCredentials | None = None,
        health: Health | None = None,
    ) -> None:
        """Set the addresses.

        Args:
            server: a server without a port.
            host: the address of the port.
            port: the port, or 0 for no port.
            socket_path: the path of the Unix socket, or empty for no socket.
            credentials: the key and certificate for TLS on all addresses; None is plain text.
            health: the health service of ``server``, which reports the stop.
        """
        self._server = server
        self._host = host
        self._port = port
        self._socket_path = socket_path
        self._credentials = credentials
        self._health = health
        addresses = [_format_address(host, port)] if port else []
        addresses += [f"unix:{socket_path}"] if socket_path else []
        self.address = f"gRPC{' with TLS' if credentials else ''} on {' and '.join(addresses)}"

    async def start(self) -> None:
        """Bind and open the addresses."""
        if self._port:
            check_free(self._host, self._port, "--port")
            if not self._bind(_format_address(self._host, self._port)):
                raise self._bind_error(_port_error(self._host, self._port, "--port"))
        if self._socket_path:
            check_socket(self._socket_path)
            if _is_taken(self._socket_path):
                logger.warning("Another server listens on %s; new clients connect to this one.", self._socket_path)
            if not self._bind(f"unix:{self._socket_path}"):
                raise self._bind_error(StartError(f"gRPC cannot listen on the Unix socket {self._socket_path}."))
        await self._server.start()
        if self._port:
            logger.info("Running gRPC ModelServer at %s ...", _format_address(self._host, self._port))
        if self._socket_path:
            logger.info("Running gRPC ModelServer at UNIX socket %s ...", self._socket_path)

    def _bind(self, address: str) -> bool:
        try:
            if self._credentials is None:
                return bool(self._server.add_insecure_port(address))
            return bool(self._server.add_secure_port(address, self._credentials))
        except RuntimeError:
            return False

    def _bind_error(self, otherwise: StartError) -> StartError:
        """Return why gRPC did not bind a free address."""
        if self._credentials is None:
            return otherwise
        return StartError("The key and the certificate in --ssl_config_file are not a pair, or are not PEM.")

    async def stop(self, grace_s: float) -> None:
        """Close the port and end requests in flight."""
        if self._health is not None:
            self._health.stop()
        await self._server.stop(grace_s)


class RestServer:
    """The REST API on its port."""

    def __init__(self, app: RestApi, host: str, port: int) -> None:
        self._config = uvicorn.Config(
            app,
            http=RestConnection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",  # its warnings are about clients, who get the error themselves
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_S,
        )
        self._state = ServerState()
        self._host = host
        self._port = port
        self.address = f"REST on http://{_format_address(host, port)}"

    async def start(self) -> None:
        """Bind and open the port."""
        self._config.load()
        listener = _bind(self._host, self._port, "--rest_api_port")
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                lambda: RestConnection(self._config, self._state, {}), sock=listener, backlog=self._config.backlog
            )
        except OSError as error:
            raise _port_error(self._host, self._port, "--rest_api_port", error) from error
        self._watch = asyncio.create_task(self._end_overdue_connections())
        logger.info("Exporting HTTP/REST API at:%s ...", _format_address(self._host, self._port))

    async def stop(self, grace_s: float) -> None:
        """Close the port and drain the requests.

        Received requests are answered. Those still running after the grace period are cancelled.
        """
        self._listener.close()
        for connection in self._connections():
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.sleep(0.1)  # read requests that clients sent before they saw the close
                await self._wait_for_connections()
        for task in list(self._state.tasks):
            task.cancel()  # the request is answered 503
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        self._watch.cancel()
        for connection in self._connections():
            connection.transport.close()

    async def _wait_for_connections(self) -> None:
        while connections := self._connections():
            for connection in connections:
                if connection.idle:
                    connection.transport.close()
            await asyncio.sleep(0.02)

    async def _end_overdue_connections(self) -> None:
        while True:
            await asyncio.sleep(1)
            end_overdue(self._state.connections)

    def _connections(self) -> list[RestConnection]:
        return [connection for connection in self._state.connections if isinstance(connection, RestConnection)]


def check_free(host: str, port: int, flag: str) -> None:
    """Check that a port is available.

    Raises:
        StartError: the port is in use, or the address is not local.
    """
    _bind(host, port, flag).close()


def check_socket(path: str) -> None:
    """Check that a Unix socket can be created.

    An existing socket is replaced.

    Raises:
        StartError: the path is too long, has no parent folder, or is another kind of file.
    """
    advice = "choose another --grpc_socket_path."
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        msg = f"The Unix socket {path} has a path of more than {_LONGEST_SOCKET_PATH} bytes; {advice}"
        raise StartError(msg)
    if Path(path).exists() and not Path(path).is_socket():
        msg = f"{path} is not a socket; {advice}"
        raise StartError(msg)
    if not Path(path).absolute().parent.is_dir():
        msg = f"The folder of the Unix socket {path} does not exist; make it or {advice}"
        raise StartError(msg)


def _is_taken(socket_path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(socket_path)
        return True
    return False


def _bind(host: str, port: int, flag: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _port_error(host, port, flag, error) from error
    return listener


def _port_error(host: str, port: int, flag: str, error: OSError | None = None) -> StartError:
    if error is None or error.errno == errno.EADDRINUSE:
        return StartError(f"Port {port} on {host} is in use; stop the program that has it, or choose another {flag}.")
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return StartError(f"Cannot listen on port {port} of {host} ({reason}); choose another {flag} or --host.")


def _format_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
