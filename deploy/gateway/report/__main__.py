"""Run the report command.

Usage: ``python -m deploy.gateway.report --help``
"""

import argparse
import sys
from collections.abc import Sequence

from deploy.gateway.report.command import add_arguments, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.gateway.report",
        description="Report on a time range of the gateway's request log.",
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
