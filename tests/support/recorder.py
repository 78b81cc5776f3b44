"""Record what leaves a network namespace; ``trap`` starts this program in one and asks it.

In the namespace every address is local (``ip route add local default``), so that each attempt to leave arrives here at
once: a name server answers every look-up with "no such name", and nothing listens elsewhere. It works below the system
calls, so that static programs, child processes and IPv6 are recorded too.

Protocol: one line with this process's id when it is ready; then for each line on standard input a line with the events
since the last, as JSON.
"""

import ctypes
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_OUTGOING = 4  # of packet(7): loopback shows each packet twice, once as it leaves and once as it arrives
_DNS = 53
_SYN, _ACK = 0x02, 0x10

# Drops packets to 127.0.0.0/8 and ::/32 (::1 and ::ffff:127.0.0.1 among them): the servers under test would fill the
# socket's buffer. Classic BPF, as `tcpdump -dd` prints it: code, jump if true, jump if false, constant.
_NOT_LOOPBACK = (
    (0x30, 0, 0, 0),  # A = byte 0: the IP version
    (0x54, 0, 0, 0xF0),
    (0x15, 3, 0, 0x60),  # IPv6: to its destination
    (0x30, 0, 0, 16),  # A = the first byte of IPv4's destination
    (0x15, 3, 0, 127),
    (0x06, 0, 0, 0xFFFF),  # accept
    (0x20, 0, 0, 24),  # A = the first four bytes of IPv6's destination
    (0x15, 0, 1, 0),
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF),
)


def isolate() -> None:
    """Route every address to this namespace, and name look-ups to its name server.

    Raises:
        CalledProcessError: the namespace cannot be changed.
    """
    for command in (
        "ip link set lo up",
        "ip address add 192.0.2.1/32 dev lo",  # else AI_ADDRCONFIG and browsers find this machine offline
        "ip route add local default dev lo",
        "ip -6 route add local default dev lo",
    ):
        subprocess.run(command.split(), check=True)
    socket.sethostname("trap")  # not in /etc/hosts: a look-up of the machine's own name is recorded
    folder = Path(sys.argv[1])
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")):
        (folder / name).write_text(text, encoding="ascii")
        if Path("/etc", name).exists():
            subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)
    if Path("/run/nscd").is_dir():  # a name service cache would answer for the machine outside
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/nscd"], check=True)


def open_sniffer() -> socket.socket:
    """Return a socket that receives every packet to an address outside loopback."""
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    code = b"".join(struct.pack("HBBI", *line) for line in _NOT_LOOPBACK)
    buffer = ctypes.create_string_buffer(code)
    sniffer.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NOT_LOOPBACK), ctypes.addressof(buffer))
    )
    sniffer.setblocking(False)
    return sniffer


def open_name_server() -> socket.socket:
    """Return the socket that look-ups arrive at."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("", _DNS))
    server.setblocking(False)
    return server


def destination(packet: bytes) -> str | None:
    """Return where a packet asks to go, or None if it answers or is recorded as a look-up."""
    version = packet[0] >> 4
    if version == 4:
        header, protocol, address = (packet[0] & 0x0F) * 4, packet[9], ip_address(packet[16:20])
    else:
        header, protocol, address = 40, packet[6], ip_address(packet[24:40])
    source, port = struct.unpack_from(">HH", packet, header) if len(packet) >= header + 4 else (0, 0)
    if protocol == socket.IPPROTO_TCP:
        return f"TCP {address} port {port}" if packet[header + 13] & (_SYN | _ACK) == _SYN else None
    if protocol == socket.IPPROTO_UDP:
        return None if _DNS in {source, port} else f"UDP {address} port {port}"
    if protocol in {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6}:
        is_request = packet[header] in {8, 128}
        return f"ICMP {address}" if is_request else None
    return f"protocol {protocol} {address}"


def queried_name(query: bytes) -> str:
    """Return the name and type that a DNS query asks for."""
    labels, place = [], 12
    while size := query[place]:
        labels.append(query[place + 1 : place + 1 + size].decode("ascii", "replace"))
        place += 1 + size
    [kind] = struct.unpack_from(">H", query, place + 1)
    return f"look-up {'.'.join(labels)} {({1: 'A', 28: 'AAAA'}).get(kind, f'TYPE{kind}')}"


def no_such_name(query: bytes) -> bytes:
    """Return the answer NXDOMAIN to a DNS query."""
    return query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:]


class Recorder:
    """Collects events from the two sockets."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.sockets = (open_sniffer(), open_name_server())

    def drain(self) -> None:
        """Read all that has arrived. What a process sent before it ended is among it: loopback has no delay."""
        sniffer, name_server = self.sockets
        for packet, (_, _, kind, *_) in _received(sniffer):
            if kind == _OUTGOING and (place := destination(packet)):
                self.events.append(place)
        for query, asker in _received(name_server):
            self.events.append(queried_name(query))
            name_server.sendto(no_such_name(query), asker)


def _received(source: socket.socket) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    with suppress(BlockingIOError):
        while True:
            yield source.recvfrom(0xFFFF)


def main() -> None:
    """Record until standard input ends."""
    isolate()
    recorder = Recorder()
    with selectors.DefaultSelector() as selector:
        for source in (*recorder.sockets, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        print(os.getpid(), flush=True)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            recorder.drain()
            if sys.stdin in ready:
                if not sys.stdin.readline():
                    return
                print(json.dumps(recorder.events), flush=True)
                recorder.events.clear()


if __name__ == "__main__":
    main()
