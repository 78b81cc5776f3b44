"""Create the gateway's HTTP server."""

import uvicorn
from fastapi import FastAPI

from deploy.gateway.middleware.connection import limited
from deploy.gateway.settings import Settings
from deploy.http import IDLE_S, end_overdue


def create_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return a server of the application with the settings' limits."""
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
    server = uvicorn.Server(config)

    async def end_overdue_connections() -> None:
        end_overdue(server.server_state.connections)

    config.callback_notify, config.timeout_notify = end_overdue_connections, 0  # called once a second
    return server
