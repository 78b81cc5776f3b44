"""Decode lines, and recognize files in another encoding."""

from bert_mlm_client.errors import InputError

from deploy.batch.errors import BatchError

ENCODINGS = ("utf-8", "gbk", "gb18030")
"""In all of them the bytes of a line end, quote, comma and brace are never part of another character."""

SAMPLE_BYTES = 1 << 16

_BOM = b"\xef\xbb\xbf"
_UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def decode(raw: bytes, number: int, encoding: str) -> str | InputError:
    """Return a line without its end, or the error.

    Args:
        raw: the line.
        number: its number; the first one may start with a byte order mark.
        encoding: the file's encoding.
    """
    if number == 1:
        raw = raw.removeprefix(_BOM)
    try:
        return raw.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
    except UnicodeDecodeError as error:
        return InputError(f"invalid {encoding} at byte {error.start + 1} of the line")


def check_encoding(sample: bytes, encoding: str, name: str) -> None:
    """Reject a file in another encoding, by its first lines.

    Single damaged lines do not count: each of them is a row with an error.

    Raises:
        BatchError: most of the lines with other than ASCII characters cannot be decoded.
    """
    if sample.startswith(_UTF_16_BOMS):
        msg = f"{name} is UTF-16; convert it to UTF-8"
        raise BatchError(msg)
    lines = sample.split(b"\n")
    if len(sample) >= SAMPLE_BYTES and len(lines) > 1:
        lines.pop()  # cut off
    foreign = [line for line in lines if not line.isascii()]
    if not foreign:
        return
    if encoding != "utf-8" and _invalid(foreign, "utf-8") == 0:
        msg = f"{name} is UTF-8; leave out --encoding {encoding}"
        raise BatchError(msg)
    if 2 * _invalid(foreign, encoding) > len(foreign):
        hint = "if it is GBK, give --encoding gbk" if encoding == "utf-8" else "give another --encoding"
        msg = f"{name} is not {encoding.upper()}; {hint}"
        raise BatchError(msg)


def _invalid(lines: list[bytes], encoding: str) -> int:
    return sum(isinstance(decode(line, 1, encoding), InputError) for line in lines)
