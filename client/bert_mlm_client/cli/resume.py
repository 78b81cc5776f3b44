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


def begin(output: Path, recipe: Recipe | None, *, resume: bool) -> Done:
    """Make an output file ready to be appended to, and return how far it has come.

    Args:
        output: the file.
        recipe: what it is made with, or None if it could not be resumed.
        resume: whether to go on where it ends.

    Raises:
        InputError: it was made with something else, or was begun and nobody said that it shall go on.
        OSError: it cannot be read or written.
    """
    sidecar = beside(output)
    begun = output.exists() and output.stat().st_size > 0
    if resume and recipe is None:
        msg = "--resume needs an input and an output that are plain files"
        raise InputError(msg)
    if begun and resume and recipe is not None:
        _compare(output, sidecar, recipe)
        return _cut(output)
    if begun and sidecar.exists():
        msg = f"{output} is not complete: go on with --resume, or remove {sidecar} to begin anew"
        raise InputError(msg)
    if recipe is None:
        return Done()
    unfinished = sidecar.with_name(f"{sidecar.name}.tmp")
    unfinished.write_text(json.dumps(asdict(recipe), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    output.write_bytes(b"")
    unfinished.replace(sidecar)
    return Done()


def beside(output: Path) -> Path:
    """Return the path of the file that tells what an output was made with."""
    return output.with_name(f"{output.name}.resume")


def _compare(output: Path, sidecar: Path, recipe: Recipe) -> None:
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


def _cut(output: Path) -> Done:
    """Cut off a last line that was not written to its end, and count the others."""
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
