"""Set up Kibana (``python -m deploy.kibana setup --url http://127.0.0.1:5601``)."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.elasticsearch.accounts import login
from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import TIMEOUT_S, JsonApi
from deploy.kibana.setup import HEADERS, set_up

_PASSWORD = "The password of bert-operator is read from OPERATOR_PASSWORD, or from the file in OPERATOR_PASSWORD_FILE."  # noqa: S105 - a sentence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kibana", description="Set up Kibana.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    setup = commands.add_parser(
        "setup", help="import dashboards and create rules", description=set_up.__doc__, epilog=_PASSWORD
    )
    setup.add_argument("--url", default=os.environ.get("KIBANA_URL") or "http://127.0.0.1:5601", help="%(default)s")
    setup.add_argument("--ca-file", type=Path, metavar="FILE", help="the server's certificate authority, in PEM")
    setup.add_argument(
        "--timeout-s", type=float, default=TIMEOUT_S, help="timeout of a request in seconds (default: %(default)g)"
    )
    setup.add_argument(
        "--wait-s", type=float, default=300.0, help="how long Kibana may take to start (default: %(default)g)"
    )
    options = parser.parse_args(arguments)
    try:
        account = login(os.environ, "bert-operator", "OPERATOR_PASSWORD")
        with JsonApi(
            options.url, account, ca_file=options.ca_file, timeout_s=options.timeout_s, headers=HEADERS
        ) as kibana:
            kibana.wait_until_ready("/api/status", options.wait_s)
            set_up(kibana, lambda sentence: print(sentence, flush=True))
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
