"""Read the JSON files of a checkpoint."""

import json
from pathlib import Path
from typing import Any

from export.errors import CheckpointError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file cannot be read, or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise CheckpointError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}"
        raise CheckpointError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path} is not a JSON object"
        raise CheckpointError(msg)
    return content
