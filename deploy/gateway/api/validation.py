"""Convert validation errors of a body to messages with hints."""

import difflib
from collections.abc import Collection, Iterable
from typing import Any, get_args

from pydantic import Tag, ValidationError
from pydantic_core import ErrorDetails

from deploy.gateway import paths
from deploy.gateway.api.requests import FIELD_NAMES, Body, PredictRequest
from deploy.gateway.errors import ApiError

_SEVERAL = f'; for several sentences send {{"inputs": ["…", "…"]}} to {paths.FILL_MASK}'


def invalid_body(error: ValidationError) -> ApiError:
    """Create the error for an invalid body."""
    problems = error.errors(include_url=False)
    if problems[0]["type"] == "json_invalid":
        return ApiError(400, "MalformedBodyError", f"the body is not JSON: {problems[0]['ctx']['error']}")
    body = next(one for one in Body.__subclasses__() if one.__name__ == error.title)
    sentences = dict.fromkeys(_sentence(problem, body) for problem in problems)
    words = "; ".join(list(sentences)[:3])
    if body is PredictRequest and any(isinstance(problem["input"], list) for problem in problems):
        words += _SEVERAL
    return ApiError(422, "ValidationError", words)


def _sentence(problem: ErrorDetails, body: type[Body]) -> str:
    """Return the message about one field."""
    if problem["type"] == "extra_forbidden":
        *place, name = problem["loc"]
        close = difflib.get_close_matches(str(name), _fields(body, place), 1)
        where = ".".join([*_written(place), str(name)])[:200]
        return f"{where}: unknown field" + (f"; did you mean {close[0]}?" if close else "; /docs lists them")
    where = ".".join(_written(problem["loc"])) or "the body"
    return f"{where}: {_lower(problem['msg'])}"


def _written(place: Iterable[int | str]) -> list[str]:
    """Return a location without the tags of unions.

    The body has no tags, such as ``several`` in ``inputs.several.0``.
    """
    return [str(part) for part in place if isinstance(part, int) or part in FIELD_NAMES]


def _fields(body: type[Body], place: Iterable[int | str]) -> Collection[str]:
    """Return the fields of the object at a location."""
    found: Any = body
    for part in place:
        if isinstance(part, int):
            [found] = get_args(found)
        elif part in FIELD_NAMES:
            found = found.model_fields[part].annotation
        else:
            found = next(branch.__origin__ for branch in _branches(found) if Tag(part) in branch.__metadata__)
    fields: Collection[str] = found.model_fields
    return fields


def _branches(union: Any) -> Iterable[Any]:
    """Return the tagged branches of a union.

    The union itself may be annotated.
    """
    is_annotated = hasattr(union, "__metadata__")
    return get_args(union.__origin__ if is_annotated else union)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
