"""Generate and check the passwords in .env (``python -m deploy.elasticsearch.passwords``).

It needs only the standard library, so that ``make up LOGS=1`` works without .venv.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAMES = (
    "ELASTIC_PASSWORD",
    "KIBANA_PASSWORD",
    "FILEBEAT_PASSWORD",
    "OPERATOR_PASSWORD",
    "READER_PASSWORD",
    "KIBANA_ENCRYPTION_KEY",
)
"""The secrets of the profile ``logs``."""

SHORTEST = 12
SHORTEST_KEY = 32
"""Kibana's own minimum of its encryption key."""

_GUESSABLE = ("changeme", "password", "elastic", "kibana", "secret", "example")
_ADVICE = "run `make passwords`, or `python3 -m deploy.elasticsearch.passwords`, which writes them to .env"


def main(arguments: Sequence[str] | None = None) -> int:
    """Add missing passwords to .env or check the environment's passwords."""
    parser = argparse.ArgumentParser(prog="python -m deploy.elasticsearch.passwords", description=main.__doc__)
    parser.add_argument("--env", type=Path, default=Path(".env"), metavar="FILE", help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="check the environment's passwords; write nothing")
    options = parser.parse_args(arguments)
    try:
        problem = weakness(os.environ) if options.check else _complete(options.env)
    except OSError as error:
        problem = f"{options.env} cannot be written ({error.strerror})"
    if problem:
        print(f"passwords: {problem}", file=sys.stderr)
        return 1
    return 0


def weakness(values: Mapping[str, str]) -> str | None:
    """Return the weakness of the passwords, or None."""
    for name in NAMES:
        value = values.get(name, "")
        shortest = SHORTEST_KEY if name.endswith("_KEY") else SHORTEST
        if not value:
            return f"{name} is empty; {_ADVICE}"
        if len(value) < shortest:
            return f"{name} has fewer than {shortest} characters; remove it from .env and {_ADVICE}"
        if len(set(value)) < 6 or any(value.lower().startswith(word) for word in _GUESSABLE):
            return f"{name} is easy to guess; remove it from .env and {_ADVICE}"
    if len({values[name] for name in NAMES}) < len(NAMES):
        return f"two passwords are the same; remove one from .env and {_ADVICE}"
    return None


def generate(text: str) -> tuple[str, list[str]]:
    """Return the completed .env and the names of new passwords."""
    lines = text.splitlines()
    added: list[str] = []
    for name in NAMES:
        places = [index for index, line in enumerate(lines) if line.strip().partition("=")[0].rstrip() == name]
        if places and lines[places[-1]].partition("=")[2].strip(" '\""):
            continue
        line = f"{name}={secrets.token_urlsafe(SHORTEST_KEY)}"
        if places:
            lines[places[-1]] = line
        else:
            lines.append(line)
        added.append(name)
    return "".join(f"{line}\n" for line in lines), added


def _complete(path: Path) -> str | None:
    """Complete the file, readable by its owner alone.

    Returns:
        Why one of its passwords must not be used, or None.
    """
    text, added = generate(path.read_text("utf-8") if path.exists() else "")
    if added:
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
        print(f"{path}: made {', '.join(added)}")
    values = dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
    return weakness({name: value.strip(" '\"") for name, value in values.items()})


if __name__ == "__main__":
    sys.exit(main())
