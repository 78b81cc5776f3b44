"""Load the settings from flags and environment variables."""

import argparse
from collections.abc import Container, Sequence
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deploy.gateway.settings.errors import SettingsError
from deploy.gateway.settings.model import Settings

_FIELDS = {str(field.alias): field for field in Settings.model_fields.values()}
"""The fields by their variables."""

_FLAGS = {
    str(field.alias): "--" + name.replace("_", "-") for name, field in Settings.model_fields.items() if field.repr
}
"""The flags by their variables."""

SECRETS = tuple(variable for variable in _FIELDS if variable not in _FLAGS)
"""Settings without a flag, since all users of a machine can read the flags of its processes."""


def load_settings(arguments: Sequence[str] = ()) -> Settings:
    """Read flags, then environment variables.

    An empty variable is ignored.

    Raises:
        SettingsError: values are invalid; the message has a line for each.
        SystemExit: an unknown flag (status 2) or ``--help`` (status 0).
    """
    flags = {variable: text for variable, text in vars(_parser().parse_args(arguments)).items() if text is not None}
    try:
        return Settings(**flags)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(each, flags) for each in error.errors())) from error


def describe() -> list[tuple[str, str, str]]:
    """Return each setting's variable, default and description."""
    return [(variable, _written(field.default), field.description or "") for variable, field in _FIELDS.items()]


_OTHERS = (
    "Other commands: report summarizes a time range of the request log (report --help), openapi prints the "
    "API's OpenAPI document, monitoring the page about every field, metric, alert and setting."
)


def _parser() -> argparse.ArgumentParser:
    # pydantic-settings' own parser cannot leave out secrets, which would have flags.
    parser = argparse.ArgumentParser(
        prog="python -m deploy.gateway serve",
        description="Serve the gateway.",
        epilog=f"Secrets can only be set as variables: {', '.join(SECRETS)}. {_OTHERS}",
        allow_abbrev=False,
    )
    for variable, flag in _FLAGS.items():
        field = _FIELDS[variable]
        default = f" (default {_written(field.default)})" if field.default is not None else ""
        about = f"{field.description}; {variable}{default}"
        parser.add_argument(flag, dest=variable, metavar="VALUE", help=about)
    return parser


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else str(default)


def _sentence(error: ErrorDetails, flags: Container[str]) -> str:
    """Return a message with the error and its remedy."""
    if not error["loc"]:  # of Settings as a whole
        return str(error["ctx"]["error"])
    variable = str(error["loc"][0])
    field = _FIELDS[variable]
    source = _FLAGS[variable] if variable in flags else variable
    shown = f"{source} is {error['input']!r}" if field.repr else f"{source} cannot be used"
    return f"{shown}; {error['ctx']['error'] if error['type'] == 'value_error' else _expected(field)}"


def _expected(field: FieldInfo) -> str:
    """Return the expected value of a field."""
    if get_origin(field.annotation) is Literal:
        return f"give one of {', '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "give true or false"
    [low] = [limit.ge for limit in field.metadata if isinstance(limit, Ge)]
    [high] = [limit.le for limit in field.metadata if isinstance(limit, Le)]
    return (
        f"give a whole number from {low} to {high}"
        if field.annotation is int
        else f"give a number from {low:g} to {high:g}"
    )
