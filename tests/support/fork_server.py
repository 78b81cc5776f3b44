"""Fork an interpreter that has imported large libraries, for each command that needs them.

    python -m tests.support.fork_server SOCKET "import torch"

Importing PyTorch and transformers takes four seconds of CPU time, a fork some milliseconds. ``warm_python`` makes an
executable that sends its arguments, environment and standard streams here, so that a caller cannot tell it from the
interpreter. Every command has a supervisor, which sends the exit status back and kills it when its caller ends.

The server ends with its standard input.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from types import ModuleType
from typing import Any

Request = dict[str, Any]


def serve(address: str) -> Request:
    """Accept commands; return one in each process that must run it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                sys.exit()
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    listener.close()
                    return _supervise(connection)


def _supervise(connection: socket.socket) -> Request:
    """Fork the command and wait for its end, or for its caller's."""
    size, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    request: Request = json.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    is_running, held_by_command = os.pipe()
    command = os.fork()
    if command == 0:
        os.close(is_running)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        return request
    for descriptor in (*descriptors, held_by_command):
        os.close(descriptor)
    readable, _, _ = select.select([is_running, connection.fileno()], [], [])
    is_abandoned = connection.fileno() in readable
    if is_abandoned:
        os.kill(command, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    if not is_abandoned:
        connection.sendall(status.to_bytes(4, "big", signed=True))
    os._exit(0)


def run(request: Request, library_path: list[str]) -> None:
    """Run the arguments as the interpreter does."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    option, program, *arguments = request["arguments"]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [request["folder"] if option == "-m" else "", *paths, *library_path]
    sys.argv[:] = [option, *arguments]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), vars(main))


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors leave no zombies
    exec(sys.argv[2])
    gc.freeze()  # keeps the libraries' pages shared
    run(serve(sys.argv[1]), sys.path[1:])
