"""Track the progress of an output file for ``--resume``.

The output itself shows how many lines are done. The sidecar ``OUTPUT.resume`` holds the options and a digest of the
input; it exists from before the first line until after the last.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bert_mlm_client.errors import InputError

_CHUNK_BYTES = 1 << 20
_LINE_START = re.compile(rb'\{"line": (\d+), ("error": )?')


@dataclass(frozen=True, slots=True)
class Recipe:
    """Options and input of an output.

    Attributes:
        options: the options that change the answers.
        input_sha256: the digest of the input.
        input_lines: its number of lines, blank ones included.
    """

    options: Mapping[str, Any]
    input_sha256: str
    input_lines: int

    @classmethod
    def of(cls, source: Path, options: Mapping[str, Any]) -> Self:
        """Build the recipe of an input file and options.

        Raises:
            OSError: the file cannot be read.
        """
        digest, lines, last = hashlib.sha256(), 0, b"\n"
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                lines += chunk.count(b"\n")
                last = chunk[-1:]
        return cls(options, digest.hexdigest(), lines + (last != b"\n"))

    def save(self, path: Path) -> None:
        """Write the recipe to a file."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def difference(self, other: Mapping[str, Any]) -> str | None:
        """Describe how an earlier recipe differs, or return None."""
        if other["input_sha256"] != self.input_sha256:
            return "with another input"
        before = other["options"]
        names = sorted(self.options.keys() | before.keys())
        return ", ".join(_describe(n, before.get(n)) for n in names if before.get(n) != self.options.get(n)) or None


def _describe(name: str, value: Any) -> str:
    """Describe an option as on the command line."""
    option = "the command" if name == "command" else f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return f"without {option}"
    values = value if isinstance(value, list) else [] if value is True else [value]
    return " ".join(["with", option, *map(str, values)])


@dataclass(frozen=True, slots=True)
class Done:
    """Progress of an output.

    Attributes:
        line: the number of the last input line in it.
        lines: its number of lines.
        failed: the number of errors among them.
    """

    line: int = 0
    lines: int = 0
    failed: int = 0


def sidecar_path(output: Path) -> Path:
    """Return the path of an output's sidecar file."""
    return output.with_name(f"{output.name}.resume")


def check_recipe(output: Path, recipe: Recipe) -> None:
    """Check an output's recipe against its sidecar file.

    Raises:
        InputError: they differ, or the sidecar is missing or damaged.
    """
    sidecar = sidecar_path(output)
    try:
        difference = recipe.difference(json.loads(sidecar.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        msg = (
            f"{output} was not written by this command, or not from this input: {sidecar} does not exist; remove "
            "--resume to start over"
        )
        raise InputError(msg) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{sidecar} is damaged; remove it to start over"
        raise InputError(msg) from error
    if difference:
        msg = f"{output} was started {difference}; use the same, or remove {sidecar} to start over"
        raise InputError(msg)


def truncate_partial_line(output: Path) -> Done:
    """Truncate an incomplete last line and count the others.

    Raises:
        InputError: a line was not written by this command.
    """
    size = line = lines = failed = 0
    with output.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                break
            start = _LINE_START.match(raw)
            if start is None or int(start[1]) <= line:
                msg = (
                    f"line {lines + 1} of {output} was not written by this command; remove {sidecar_path(output)} to "
                    "start over"
                )
                raise InputError(msg)
            size += len(raw)
            lines += 1
            line = int(start[1])
            failed += start[2] is not None
    os.truncate(output, size)
    return Done(line, lines, failed)
