"""The container's health check, ``python -m deploy.gateway.probe``: succeed if the gateway can answer questions.

Asked from within, past any proxy that the container is told of. What is not ready says why.
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

_TIMEOUT_S = 3


def main() -> int:
    """Return 0 if /readyz on ``GATEWAY_PORT`` says so, else print why not and return 1."""
    port = int(os.environ.get("GATEWAY_PORT") or 8000)
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        print(f"nothing answers on port {port}: {error}")
        return 1
    finally:
        connection.close()
    print(said)
    return 0 if answer.status == HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
