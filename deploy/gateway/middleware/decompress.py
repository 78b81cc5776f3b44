"""Decompress request bodies."""

import zlib

from deploy.gateway.errors import ApiError
from deploy.http import BodyTooLargeError

_GZIP = 16 + zlib.MAX_WBITS


def decompress(encoding: str, content: bytes, *, max_bytes: int) -> bytes:
    """Decompress a body by its Content-Encoding.

    Raises:
        BodyTooLargeError: the decompressed body exceeds the size limit.
        ApiError: the encoding is not gzip, or the stream is damaged.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return content
        case "gzip" | "x-gzip":
            return _gunzip(content, max_bytes)
    words = f"the Content-Encoding {encoding[:40]!r} is not supported; send the body with gzip or uncompressed"
    # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16
    raise ApiError(415, "UnsupportedMediaTypeError", words, {"Accept-Encoding": "gzip"})


def _gunzip(content: bytes, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        found = stream.decompress(content, max_bytes + 1)
    except zlib.error as error:
        raise _malformed(reason="it is not a gzip stream") from error
    if len(found) > max_bytes:
        raise BodyTooLargeError(close=False)
    if not stream.eof:
        raise _malformed(reason="the gzip stream is truncated")
    if stream.unused_data:
        raise _malformed(reason="there is data after the gzip stream")
    return found


def _malformed(*, reason: str) -> ApiError:
    words = f"the body cannot be decompressed: {reason}; send it without Content-Encoding, or compress it again"
    return ApiError(400, "MalformedBodyError", words)
