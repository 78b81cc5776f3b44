"""Find the versions of a model on disk.

Follows tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc.
"""

import logging
import os
import re
from pathlib import Path

from deploy.embedded.errors import Code, ServingError, invalid

logger = logging.getLogger(__name__)

# As absl::SimpleAtoi, so "00000123" is version 123; Python's int() also accepts "1_0" and other scripts' digits.
_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)


def scan(base_path: Path, name: str) -> dict[int, Path]:
    """Return the version folders by number.

    Subfolders whose names are not 64-bit numbers are ignored, for example temporary ones.

    Raises:
        ServingError: the base path is missing or cannot be read.
    """
    try:
        if not base_path.exists():
            msg = (
                f"Could not find base path {base_path} for servable {name} with error NOT_FOUND: {base_path} not found"
            )
            raise invalid(msg)
        # Use the entry's type from the listing: a stat by name fails if the base path is renamed meanwhile.
        with os.scandir(base_path) as entries:
            folders = sorted(entry.name for entry in entries if _number(entry.name) is not None and entry.is_dir())
    except OSError as error:
        msg = f"{base_path}; {error.strerror}"
        raise ServingError(Code.FAILED_PRECONDITION, msg) from error
    found: dict[int, Path] = {}
    for folder in folders:
        number = int(folder)
        if number in found:
            logger.warning(
                "Duplicate version directories detected. Version %d will be loaded from %s, %s will be ignored.",
                number,
                folder,
                found[number].name,
            )
        found[number] = base_path / folder
    return found


def _number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text) or len(text) > 255:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None
