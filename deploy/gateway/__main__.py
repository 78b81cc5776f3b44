"""Run a gateway command.

Usage: ``python -m deploy.gateway [serve | report | openapi | monitoring] …``
"""

import argparse
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bert_mlm_client import InputError

if TYPE_CHECKING:  # pydantic would double the start-up time of a report
    from deploy.gateway.settings import Settings

logger = logging.getLogger(__name__)

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    The default is ``serve``.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given.pop(0) if given and not given[0].startswith("-") else "serve"
    match command:
        case "serve":
            return serve(given)
        case "report":
            return report(given)
        case "openapi":
            return openapi()
        case "monitoring":
            return monitoring()
    print(f"gateway: unknown command {command!r}; use serve, report, openapi or monitoring", file=sys.stderr)
    return USAGE


def serve(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Requests in flight are finished.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("httpx2", "uvicorn.error"):  # a line for each request, and start messages that repeat ours
        logging.getLogger(name).setLevel(logging.WARNING)
    # Otherwise gRPC logs a message about fork() for each report process.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from deploy.gateway.app import create_app
    from deploy.gateway.server import create_server
    from deploy.gateway.settings import SettingsError, load_settings

    try:
        settings = load_settings(arguments)
        if settings.engine != "none":
            _tune_heap()
        app = create_app(settings)
        listener = _listen(settings)
    except (SettingsError, InputError) as error:
        for line in str(error).splitlines():
            print(f"gateway: {line}", file=sys.stderr)
        return USAGE
    # uvicorn shuts down gracefully and then raises the signal again for the previous handler: exit with status 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    _check_model_folder(settings)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    # Standard output has nothing but JSON lines if they are written there.
    output = sys.stderr if settings.log_stdout == "json" else sys.stdout
    print(f"Gateway on http://{shown}:{port} (docs at /docs), {_source(settings)}", file=output, flush=True)
    _tune_garbage_collection()
    create_server(app, settings).run(sockets=[listener])
    return 0


def _source(settings: "Settings") -> str:
    """Say where answers come from."""
    if settings.engine != "none":
        return f"running {settings.model_folder} with the {settings.engine} engine"
    return f"asking {', '.join(settings.serving_url)}"


def _check_model_folder(settings: "Settings") -> None:
    """Warn if no version has a manifest yet."""
    folder = settings.model_folder
    if folder and not any(folder.glob("*/manifest.json")):
        words = "GATEWAY_MODEL_FOLDER %s has no version with a manifest.json; no answer is checked until it has one."
        logger.warning(words, folder)


def _tune_heap() -> None:
    """Limit the allocator's unused memory.

    The embedded server has the same limit. Call this before threads start.
    """
    from deploy.embedded.lifecycle.memory import tune_heap

    tune_heap()


def _tune_garbage_collection() -> None:
    """Reduce the frequency of garbage collection.

    Permanent objects are excluded. Collections took a tenth of a request's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def report(arguments: Sequence[str]) -> int:
    """Report on a time range of the request log."""
    from deploy.gateway.report.command import add_arguments, run

    parser = argparse.ArgumentParser(prog="python -m deploy.gateway report", description=report.__doc__)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def openapi() -> int:
    """Print the OpenAPI document (openapi.json)."""
    from deploy.gateway.app import create_app
    from deploy.gateway.settings import Settings

    defaults = Settings.model_construct()  # the same document in every environment
    print(json.dumps(create_app(defaults).openapi(), indent=2, ensure_ascii=False))
    return 0


def monitoring() -> int:
    """Print the monitoring page (MONITORING.md)."""
    from deploy.gateway.status.monitoring_page import page

    print(page(), end="")
    return 0


def _listen(settings: "Settings") -> socket.socket:
    """Bind the port before any other start-up work.

    Raises:
        SettingsError: the port is in use, or the address is not local.
    """
    from deploy.gateway.settings import SettingsError

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        place = f"port {settings.port} of {settings.host}"
        msg = f"cannot listen on {place} ({error.strerror}); choose another GATEWAY_PORT or GATEWAY_HOST"
        raise SettingsError(msg) from error


if __name__ == "__main__":
    sys.exit(main())
