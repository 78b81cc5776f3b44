"""Set up Elasticsearch (``python -m deploy.elasticsearch setup --url http://127.0.0.1:9200``)."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.elasticsearch.accounts import accounts, login
from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import TIMEOUT_S, JsonApi
from deploy.elasticsearch.resend import resend
from deploy.elasticsearch.setup import set_up

_PASSWORDS = (
    "The password of elastic is read from ELASTIC_PASSWORD, those of the accounts to set up from KIBANA_PASSWORD, "
    "FILEBEAT_PASSWORD, OPERATOR_PASSWORD and READER_PASSWORD, or each from the file in NAME_FILE. Accounts without a "
    "password are left as they are."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.elasticsearch", description="Set up Elasticsearch.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    setup = commands.add_parser(
        "setup", help="create or update templates, roles and accounts", description=set_up.__doc__, epilog=_PASSWORDS
    )
    setup.add_argument(
        "--retention", type=_retention, default="30d", help="how long logs are kept (default: %(default)s)"
    )
    again = commands.add_parser(
        "resend", help="send the documents of the failure store again", description=resend.__doc__, epilog=_PASSWORDS
    )
    for command in (setup, again):
        _add_connection(command)
    options = parser.parse_args(arguments)
    try:
        with JsonApi(
            options.url, login(os.environ), ca_file=options.ca_file, timeout_s=options.timeout_s
        ) as elasticsearch:
            elasticsearch.wait_until_ready("/", options.wait_s)
            if options.command == "setup":
                set_up(elasticsearch, retention=options.retention, accounts=accounts(os.environ), say=_say)
            else:
                _say(str(resend(elasticsearch)))
    except SetupError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", default=os.environ.get("ELASTICSEARCH_URL") or "http://127.0.0.1:9200", help="default: %(default)s"
    )
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="the server's certificate authority, in PEM")
    parser.add_argument(
        "--timeout-s", type=float, default=TIMEOUT_S, help="timeout of a request in seconds (default: %(default)g)"
    )
    parser.add_argument(
        "--wait-s", type=float, default=60.0, help="how long the server may take to start (default: %(default)g)"
    )


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _retention(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,4}[dhms]", text):
        msg = f"{text!r} is not a retention; give one such as 30d"
        raise argparse.ArgumentTypeError(msg)
    return text


if __name__ == "__main__":
    sys.exit(main())
