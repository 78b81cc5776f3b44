"""Read the commands and programs that the README tells its readers to run."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"

_BLOCK = re.compile(r"(?:^ {4}\S.*\n)(?:^ {4}.*\n|^\n(?= {4}))*", re.MULTILINE)
_STARTS = r"(?:make|curl|docker compose|python -m|\.venv/bin/\S+) "
_COMMENT = re.compile(r"\s{2,}# .*")
_INLINE = re.compile(rf"`({_STARTS}[^`…]+)`")
_PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell_commands() -> list[str]:
    """Return each command once, in order: those of indented blocks, then those within sentences."""
    text = _PROGRAM.sub("", README.read_text(encoding="utf-8"))
    commands = []
    for block in _BLOCK.findall(text):
        for line in block.splitlines():
            if re.match(rf" {{4}}{_STARTS}", line):
                commands.append(_COMMENT.sub("", line[4:]))
            elif commands and commands[-1].count("'") % 2:  # a quoted argument goes on
                commands[-1] += "\n" + line
    return list(dict.fromkeys([*commands, *_INLINE.findall(text)]))


def python_programs() -> list[str]:
    """Return the Python programs."""
    return _PROGRAM.findall(README.read_text(encoding="utf-8"))
