"""Log the resource use of a containerized model server.

Usage: ``python -m deploy.gateway.server_resources``

The gateway cannot read it in another container. A container that shares the server's process namespace can, and appends
to the same file. The gateway itself must not share it: all processes of a namespace end with the first one, so it would
end with every restart of the server.
"""

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from bert_mlm_client import __version__

from deploy.gateway.log.lines import Line, ResourceUsage
from deploy.gateway.log.request_log import RequestLog
from deploy.gateway.log.resources import ResourceMonitor
from deploy.gateway.log.rotation import Rotation
from deploy.gateway.log.writer import LogWriter
from deploy.gateway.settings import SettingsError, load_settings

LOG_NAME = "gateway.log"


def main(arguments: Sequence[str] | None = None) -> int:
    """Log the resource use until SIGTERM.

    The settings of log, instance and interval are the gateway's.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.gateway.server_resources", description=main.__doc__)
    parser.add_argument(
        "--process",
        default="tensorflow_model_server",
        help="the server's program, or the module that Python runs, such as deploy.embedded (default %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        settings = load_settings([])
    except SettingsError as error:
        print(f"server_resources: {error}", file=sys.stderr)
        return 2
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    rotation = Rotation(max_bytes=settings.log_max_bytes, keep=settings.log_keep) if settings.log_rotate else None
    origin = {"instance": settings.instance or socket.gethostname(), "service_version": __version__}
    with LogWriter(settings.log_folder / LOG_NAME, rotation=rotation, origin=origin) as writer:
        log = RequestLog(writer)

        def emit(line: Line) -> None:
            if isinstance(line, ResourceUsage) and line.process == "server":
                log.write(line)

        with ResourceMonitor(emit, server_name=options.process, interval_s=settings.resource_interval_s):
            stopping.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
