"""Make a folder that looks like a checkout in which everything is installed, for commands that write into one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ENVIRONMENTS = (".venv", ".venv-torch")
_STAMP = re.compile(r"^(\.venv\S*/\.\w+):", re.MULTILINE)


def link_checkout(folder: Path) -> Path:
    """Link this repository's files into an empty folder, without the models that were exported.

    ``make`` finds its stamps there, newer than the files that they depend on: it installs nothing.

    Returns:
        The folder.
    """
    for path in ROOT.iterdir():
        if path.name in _ENVIRONMENTS:
            _link_children(path, folder / path.name)
        elif path.name not in {".git", "build", "logs", "models"}:
            (folder / path.name).symlink_to(path)
    _link_children(ROOT / "models", folder / "models", leave_out="*/[0-9]*")
    for stamp in _STAMP.findall((ROOT / "Makefile").read_text(encoding="utf-8")):
        if (folder / stamp).parent.is_dir():
            (folder / stamp).unlink(missing_ok=True)
            (folder / stamp).touch()
    return folder


def _link_children(source: Path, target: Path, leave_out: str = "") -> None:
    servables = {path.parent for path in source.glob(leave_out)} if leave_out else set()
    target.mkdir()
    for path in source.iterdir():
        if path not in servables:
            (target / path.name).symlink_to(path)
