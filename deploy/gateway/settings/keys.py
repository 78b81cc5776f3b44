"""Read the API keys."""

from collections.abc import Sequence
from pathlib import Path

from deploy.gateway.log.request_log import SHORTEST_KEY
from deploy.gateway.settings.errors import SettingsError
from deploy.gateway.settings.values import fits_a_header


def read_keys(given: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """Return the given keys and those of a file.

    Raises:
        SettingsError: the file cannot be read, or a key is too short or has invalid characters.
    """
    keys = [*given, *(_read_file(file) if file else ())]
    if any(len(key) < SHORTEST_KEY for key in keys):
        msg = f"an API key is shorter than {SHORTEST_KEY} characters; make one with `openssl rand -hex 32`"
        raise SettingsError(msg)
    for number, key in enumerate(keys, start=1):
        if not fits_a_header(key):
            msg = (
                f"API key {number} of {len(keys)} has a space or a character that is not valid in a header; "
                "use printable ASCII characters only, such as those of `openssl rand -hex 32`"
            )
            raise SettingsError(msg)
    return tuple(keys)


def _read_file(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"GATEWAY_API_KEYS_FILE {file} cannot be read ({error}); write one key per line"
        raise SettingsError(msg) from error
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        msg = f"GATEWAY_API_KEYS_FILE {file} has no key; write one per line, or remove the setting"
        raise SettingsError(msg)
    return keys
