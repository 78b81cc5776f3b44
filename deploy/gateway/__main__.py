"""The gateway's commands: ``python -m deploy.gateway [serve | report | openapi | monitoring] …``."""

import argparse
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence

import uvicorn
from bert_mlm_client import InputError

from deploy.gateway.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; serve is what happens without one."""
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
    print(f"gateway: there is no command {command!r}; use serve, report, openapi or monitoring", file=sys.stderr)
    return USAGE


def serve(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; requests in flight are answered first."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("httpx2", "uvicorn.error"):  # each request, and what is said here in other words
        logging.getLogger(name).setLevel(logging.WARNING)
    # gRPC has nothing to do where a process is started for a report, and says so each time.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from deploy.gateway.app import create_app
    from deploy.gateway.middleware.connection import limited
    from deploy.http import IDLE_S, end_overdue

    try:
        settings = Settings.load(arguments, os.environ)
        app = create_app(settings)
        listener = _listen(settings)
    except (SettingsError, InputError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return USAGE
    # uvicorn stops in order at both signals and then raises them again, for whoever was asked before: this is 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    _check_model_folder(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=limited(settings),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=settings.grace_s,
    )
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"Gateway on http://{shown}:{port} (docs at /docs), asking {', '.join(settings.serving_url)}", flush=True)
    _spare_garbage_collection()
    server = uvicorn.Server(config)

    async def look_after_connections() -> None:
        end_overdue(server.server_state.connections)

    config.callback_notify, config.timeout_notify = look_after_connections, 0  # that is once a second
    server.run(sockets=[listener])
    return 0


def _check_model_folder(settings: Settings) -> None:
    """Say at once that answers cannot be checked as set; a version may still come."""
    folder = settings.model_folder
    if folder and not any(folder.glob("*/manifest.json")):
        words = "GATEWAY_MODEL_FOLDER %s has no version with a manifest.json; no answer is checked until it has one."
        logger.warning(words, folder)


def _spare_garbage_collection() -> None:
    """Look seldom for cycles, and never among what is there for good: that took a tenth of a request's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def report(arguments: Sequence[str]) -> int:
    """Say what the request log says about a time range."""
    from deploy.gateway.report.command import add_arguments, run

    parser = argparse.ArgumentParser(prog="python -m deploy.gateway report", description=report.__doc__)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def openapi() -> int:
    """Print the API's OpenAPI document, which is checked in beside this file."""
    from deploy.gateway.app import create_app

    print(json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False))
    return 0


def monitoring() -> int:
    """Print the page about monitoring, MONITORING.md, which is checked in beside this file."""
    from deploy.gateway.status.monitoring_page import page

    print(page(), end="")
    return 0


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is made.

    Raises:
        SettingsError: it is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        place = f"port {settings.port} of {settings.host}"
        msg = f"cannot listen on {place} ({error.strerror}); choose another GATEWAY_PORT or GATEWAY_HOST"
        raise SettingsError(msg) from error


if __name__ == "__main__":
    sys.exit(main())
