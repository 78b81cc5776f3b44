"""Read configuration files in protobuf's text format."""

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from deploy.embedded.errors import StartError

Parsed = TypeVar("Parsed", bound=Message)

# Error texts show TensorFlow Serving's message names, which users know.
_PACKAGE = "deploy.embedded.config."
_OFFICIAL_PACKAGE = "tensorflow.serving."


def read(path: Path, message: Parsed) -> Parsed:
    """Parse a file into a message.

    Raises:
        StartError: the file cannot be read or parsed.
    """
    try:
        return text_format.Parse(path.read_text("utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The file {path} cannot be read: {error}."
        raise StartError(msg) from error
    except text_format.ParseError as error:
        reason = f"Error parsing text-format {message.DESCRIPTOR.full_name}: {error}"
        msg = f"Invalid protobuf file: '{path}': {reason.replace(_PACKAGE, _OFFICIAL_PACKAGE)}"
        raise StartError(msg) from error
