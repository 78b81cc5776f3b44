"""Connect servers by a network of Linux namespaces.

Each server has a namespace with its own address. The front namespace has the clients and a bridge to all servers, and
resolves one name to all their addresses. Outside the namespaces nothing changes, so that their deletion removes
everything. Their names contain this process's number.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from loadtest.processes import StartError

HOST = "bert-fleet"
"""The name with the addresses of all servers."""

_PREFIX = "bertfleet"
_OURS = re.compile(rf"^{_PREFIX}-(\d+)-\w+", re.MULTILINE)
_NETWORK = "10.91.0"
_FRONT_ADDRESS = f"{_NETWORK}.1"
_FRONT_MAC = "02:00:00:5b:00:01"
_NOWHERE_MAC = "02:00:00:5b:00:ff"
_BRIDGE = "fleet"
_CONFIGURATIONS = Path("/etc/netns")  # ip netns exec mounts a namespace's files there over those of /etc
_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000

Result = TypeVar("Result")


class Network:
    """A network of servers.

    Args:
        servers: their number.
    """

    def __init__(self, servers: int) -> None:
        self._prefix = f"{_PREFIX}-{os.getpid()}"
        self.front = f"{self._prefix}-front"
        self.servers = tuple(f"{self._prefix}-server{number}" for number in range(1, servers + 1))
        self.addresses = tuple(f"{_NETWORK}.{10 + number}" for number in range(1, servers + 1))

    def __enter__(self) -> Self:
        """Create the network.

        Raises:
            StartError: it cannot be created here.
        """
        reason = missing()
        if reason:
            raise StartError(reason)
        _remove_stale()
        try:
            self._create()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*self.servers, self.front):
            _remove(name)

    def cut_off(self, number: int) -> None:
        """Drop all packets from and to a server.

        They go to a hardware address that is nowhere, so that neither side gets an error.
        """
        self._set_neighbors(number, _NOWHERE_MAC, _NOWHERE_MAC)

    def reconnect(self, number: int) -> None:
        """Deliver a server's packets again."""
        self._set_neighbors(number, _server_mac(number), _FRONT_MAC)

    def _set_neighbors(self, number: int, server_mac: str, front_mac: str) -> None:
        """Set the hardware addresses of front and server.

        They replace address resolution: its failure would be an error at once, which a router further away does not
        report.
        """
        server = (self.addresses[number], "lladdr", server_mac, "dev", _BRIDGE)
        _ip("-n", self.front, "neighbor", "replace", *server, "nud", "permanent")
        front = (_FRONT_ADDRESS, "lladdr", front_mac, "dev", "eth0")
        _ip("-n", self.servers[number], "neighbor", "replace", *front, "nud", "permanent")

    def _create(self) -> None:
        for name in (self.front, *self.servers):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", self.front, "link", "add", _BRIDGE, "address", _FRONT_MAC, "type", "bridge")
        _ip("-n", self.front, "address", "add", f"{_FRONT_ADDRESS}/24", "dev", _BRIDGE)
        _ip("-n", self.front, "link", "set", _BRIDGE, "up")
        for number, (name, address) in enumerate(zip(self.servers, self.addresses, strict=True)):
            port = f"server{number + 1}"
            veth = ("type", "veth", "peer", "name", "eth0", "address", _server_mac(number), "netns", name)
            _ip("-n", self.front, "link", "add", port, *veth)
            _ip("-n", self.front, "link", "set", port, "master", _BRIDGE, "up")
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            self.reconnect(number)
        folder = _CONFIGURATIONS / self.front
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {HOST}" for address in self.addresses)]
        (folder / "hosts").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def missing() -> str | None:
    """Return why this machine cannot create a network, or None."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid():
        return "network namespaces need root: run it with sudo"
    if shutil.which("ip") is None:
        return "the program ip is missing: install the package iproute2"
    return None


def prefix_of(namespace: str) -> tuple[str, ...]:
    """Return the command that runs another one in a namespace."""
    return ("ip", "netns", "exec", namespace)


def call_in(namespace: str, function: Callable[[], Result]) -> Result:
    """Call a function in a namespace.

    It runs in its own thread, since a thread that entered a namespace stays there.

    Raises:
        OSError: there is no such namespace, or the error of the function.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _enter(namespace)
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _enter(namespace: str) -> None:
    """Move this thread to a namespace."""
    with (_NAMESPACES / namespace).open("rb") as handle:
        # os.setns needs Python 3.12.
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)


def _server_mac(number: int) -> str:
    return f"02:00:00:5b:01:{number + 1:02x}"


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        msg = f"ip {' '.join(arguments)} failed: {done.stderr.strip()}"
        raise StartError(msg)
    return done.stdout


def _remove(name: str) -> None:
    """Delete a namespace with everything in it, if it exists."""
    with suppress(StartError):
        _ip("netns", "delete", name)
    shutil.rmtree(_CONFIGURATIONS / name, ignore_errors=True)
    with suppress(OSError):
        _CONFIGURATIONS.rmdir()  # if it is empty


def _remove_stale() -> None:
    """Delete the namespaces and servers of killed runs."""
    for match in _OURS.finditer(_ip("netns", "list")):
        if not Path(f"/proc/{match[1]}").exists():
            for pid in _ip("netns", "pids", match[0]).split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _remove(match[0])
