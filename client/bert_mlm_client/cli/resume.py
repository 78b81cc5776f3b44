"""What tells how far an output file has come, and what it was made with.

The output tells how many lines are done. What it was made with, the options and a digest of the input, stands beside it
in ``OUTPUT.resume`` from before its first line until after its last.
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
_BEGINNING = re.compile(rb'\{"line": (\d+), ("error": )?')


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an output is made with.

    Attributes:
        options: the options that the answers depend on.
        input_sha256: the digest of the input.
        input_lines: how many lines it has, blank ones included.
    """

    options: Mapping[str, Any]
    input_sha256: str
    input_lines: int

    @classmethod
    def of(cls, source: Path, options: Mapping[str, Any]) -> Self:
        """Return the recipe of an input file with these options.

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
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def difference(self, other: Mapping[str, Any]) -> str | None:
        """Return in words how an earlier recipe differs, or None."""
        if other["input_sha256"] != self.input_sha256:
            return "with another input"
        before = other["options"]
        names = sorted(self.options.keys() | before.keys())
        return ", ".join(_in_words(n, before.get(n)) for n in names if before.get(n) != self.options.get(n)) or None


def _in_words(name: str, value: Any) -> str:
    """Return an option as it was given."""
    option = "the command" if name == "command" else f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return f"without {option}"
    values = value if isinstance(value, list) else [] if value is True else [value]
    return " ".join(["with", option, *map(str, values)])


@dataclass(frozen=True, slots=True)
class Done:
    """How far an output has come.

    Attributes:
        line: the number of the last line of the input that it has.
        lines: how many lines it has.
        failed: how many of them are errors.
    """

    line: int = 0
    lines: int = 0
    failed: int = 0


def beside(output: Path) -> Path:
    """Return the path of the file that tells what an output was made with."""
    return output.with_name(f"{output.name}.resume")


def compare(output: Path, recipe: Recipe) -> None:
    """Compare what an output was begun with.

    Raises:
        InputError: it was something else, or nobody knows what.
    """
    sidecar = beside(output)
    try:
        difference = recipe.difference(json.loads(sidecar.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        msg = f"{output} is complete, or this command did not make it: {sidecar} is not there"
        raise InputError(msg) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{sidecar} is damaged; remove it to begin anew"
        raise InputError(msg) from error
    if difference:
        msg = f"{output} was begun {difference}; use the same, or remove {sidecar} to begin anew"
        raise InputError(msg)


def cut(output: Path) -> Done:
    """Cut off a last line that was not written to its end, and count the others.

    Raises:
        InputError: one of them is not this command's.
    """
    size = line = lines = failed = 0
    with output.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                break
            beginning = _BEGINNING.match(raw)
            if beginning is None or int(beginning[1]) <= line:
                msg = f"line {lines + 1} of {output} is not this command's; remove {beside(output)} to begin anew"
                raise InputError(msg)
            size += len(raw)
            lines += 1
            line = int(beginning[1])
            failed += beginning[2] is not None
    os.truncate(output, size)
    return Done(line, lines, failed)
