"""Send a command to a fork server, and end as it ends.

It imports little and no package of this project: ``warm_python`` runs it with ``python -I -S``.
"""

import json
import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    request = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109 - a late import
    content = json.dumps(request).encode()
    socket.send_fds(server, [len(content).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(content)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)  # the command alone holds the streams
    answer = server.recv(4, socket.MSG_WAITALL)
status = int.from_bytes(answer, "big", signed=True) if answer else 1
if status < 0:
    if -status in {signal.SIGINT, signal.SIGPIPE}:  # the two that Python handles or ignores
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
