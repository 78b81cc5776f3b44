"""Define the types of settings."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

WebhookFormat = Literal["json", "slack", "feishu", "dingtalk", "wecom"]
StdoutFormat = Literal["none", "json"]
EngineName = Literal["none", "onnx"]

LONGEST_LABEL = 255
"""The maximum length of an instance's name, that of a host name."""


def fits_a_header(text: str) -> bool:
    """Return whether a text is valid in a header."""
    return text.isascii() and text.isprintable() and " " not in text


def _bearer_token(text: str) -> str:
    if not fits_a_header(text):
        msg = "give printable ASCII characters without spaces"
        raise ValueError(msg)
    return text


def _web_address(text: str) -> str:
    # pydantic's HttpUrl repairs addresses: it reads https:///path as https://path.
    import httpx2

    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        msg = "write it as https://host/path"
        raise ValueError(msg)
    return text


def _label(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST_LABEL:
        msg = f"give at most {LONGEST_LABEL} printable characters"
        raise ValueError(msg)
    return text


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Port = Annotated[int, Field(ge=0, le=65535)]
Bytes = Annotated[int, Field(ge=1, le=2**30)]
Count = Annotated[int, Field(ge=1, le=100_000)]
LargeCount = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(ge=0.01, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]  # NoDecode: not JSON
WebAddress = Annotated[str, AfterValidator(_web_address)]
BearerToken = Annotated[str, AfterValidator(_bearer_token)]
Label = Annotated[str, AfterValidator(_label)]
