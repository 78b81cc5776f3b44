"""Check the gateway's readiness in its container.

Usage: ``python -m deploy.gateway.probe``

The request bypasses any configured proxy. The answer, with the reason if it is not ready, is printed.
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

_TIMEOUT_S = 3


def main() -> int:
    """Return 0 if /readyz on ``GATEWAY_PORT`` answers 200, else 1."""
    port = int(os.environ.get("GATEWAY_PORT") or 8000)
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        print(f"no answer on port {port}: {error}")
        return 1
    finally:
        connection.close()
    print(said)
    return 0 if answer.status == HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
