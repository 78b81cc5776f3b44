"""Decode JSON bodies in other encodings than UTF-8.

JSON between systems is UTF-8 (RFC 8259, section 8.1). Programs in Chinese environments also send GBK and UTF-16, whose
characters would otherwise be reported as broken JSON.
"""

import codecs
import json

from deploy.gateway.errors import ApiError

# By the names that Python's codecs normalize to. GB 18030 is a superset of GBK and GB 2312, and what browsers read
# these names as: https://encoding.spec.whatwg.org/#names-and-labels
_CODECS = {
    **dict.fromkeys(("utf-8", "ascii"), "utf-8"),
    **{name: name for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "big5")},
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
}
_REMEDY = "send UTF-8, or name the charset: Content-Type: application/json; charset=gbk"


def to_utf8(content_type: str, content: bytes) -> bytes:
    """Return a JSON body in UTF-8.

    Without a charset in the Content-Type, UTF-16 and UTF-32 are detected by their zero bytes or byte order mark.

    Raises:
        ApiError: the charset is unknown, or the body is not in it.
    """
    charset = _charset(content_type)
    codec = _codec(charset) if charset else "utf-8"
    if codec == "utf-8":
        codec = json.detect_encoding(content)
    if codec == "utf-8":  # already, unless the parser says otherwise
        return content
    try:
        return content.decode(codec).encode()
    except UnicodeError as error:
        words = f"the body is not JSON in {charset or codec.upper()}: {getattr(error, 'reason', error)}; {_REMEDY}"
        raise ApiError(400, "MalformedBodyError", words) from error


def check_utf8(content: bytes) -> None:
    """Explain why a body is not UTF-8.

    Raises:
        ApiError: the body is not UTF-8; the message says if it reads as GBK.
    """
    try:
        content.decode()
    except UnicodeDecodeError as error:
        guess = ", it seems to be GBK" if _is_gbk(content) else ""
        words = (
            f"the body is not JSON in UTF-8 (byte {error.start + 1} is 0x{content[error.start]:02X}){guess}; {_REMEDY}"
        )
        raise ApiError(400, "MalformedBodyError", words) from error


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return ""


def _codec(charset: str) -> str:
    try:
        return _CODECS[codecs.lookup(charset).name]
    except (LookupError, ValueError) as error:  # ValueError: a NUL in the name
        words = f"the charset {charset[:40]!r} is not supported; send UTF-8, UTF-16, GBK or GB18030"
        raise ApiError(415, "UnsupportedMediaTypeError", words) from error


def _is_gbk(content: bytes) -> bool:
    try:
        text = content.decode("gbk")
    except UnicodeDecodeError:
        return False
    return text.lstrip()[:1] in {"{", "["}
