"""Read TFRecord files (tensorflow/core/lib/io/record_reader.cc).

A record is its length (8 bytes), a checksum of the length (4), the bytes, and a checksum of the bytes (4), all
little-endian. The checksum is a masked CRC-32C (rotated, plus a constant), so that data may contain checksums.
"""

import struct
from collections.abc import Iterator

from deploy.embedded.errors import Code, ServingError

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_HEAD_BYTES = _LENGTH.size + _CHECKSUM.size

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed
_MASK_DELTA = 0xA282EAD8


def read_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a file.

    Raises:
        ServingError: DATA_LOSS, a checksum is wrong or the file ends within a record.
    """
    start = 0
    while start < len(data):
        body = start + _HEAD_BYTES
        if body > len(data):
            raise _truncated(start)
        head = data[start : start + _LENGTH.size]
        if _stored(data, start + _LENGTH.size) != masked_crc32c(head):
            raise _corrupted(start)
        end = body + _LENGTH.unpack(head)[0]
        if end + _CHECKSUM.size > len(data):
            raise _truncated(start)
        record = data[body:end]
        if _stored(data, end) != masked_crc32c(record):
            raise _corrupted(body)
        yield record
        start = end + _CHECKSUM.size


def masked_crc32c(data: bytes) -> int:
    """Return the masked CRC-32C of bytes (about 10 MB/s)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_crc_of_byte, range(256)))


def _stored(data: bytes, start: int) -> int:
    number: int = _CHECKSUM.unpack_from(data, start)[0]
    return number


def _truncated(start: int) -> ServingError:
    return ServingError(Code.DATA_LOSS, f"truncated record at {start}")


def _corrupted(start: int) -> ServingError:
    return ServingError(Code.DATA_LOSS, f"corrupted record at {start}")
