"""Find the first syntax error as RapidJSON 1.1.0 does.

TensorFlow Serving answers with RapidJSON's text and byte offset. Python's parser is fast but has other texts and
offsets, so a document that it rejects is parsed again here, by the rules of RapidJSON's ``reader.h``.
"""

import re

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_EXPONENT = re.compile(rb"[eE][+-]?")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
# The longest valid prefix of a string. A lone low surrogate is valid, a lone high one is not.
_CHARACTERS = (
    r'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+"
)
_STRING = re.compile(f'"{_CHARACTERS}'.encode())
# Runs of valid elements and members with their commas, which skip most of a large document.
_S = r"[ \t\n\r]*+"
_NAME = rf'"{_CHARACTERS}"{_S}:{_S}'
_SCALAR = (
    rf'(?:"{_CHARACTERS}"|-?(?:0|[1-9][0-9]{{0,15}}+)(?:\.[0-9]{{1,17}}+)?+(?:[eE]-?[0-9]{{1,2}}+)?+'
    r"|true|false|null)"
)
_PLAIN = _SCALAR
for _ in range(3):  # levels of brackets
    _ARRAY = rf"\[{_S}(?:{_PLAIN}{_S}(?:,{_S}{_PLAIN}{_S})*+)?\]"
    _OBJECT = rf"\{{{_S}(?:{_NAME}{_PLAIN}{_S}(?:,{_S}{_NAME}{_PLAIN}{_S})*+)?\}}"
    _PLAIN = rf"(?:{_SCALAR}|{_ARRAY}|{_OBJECT})"
_ELEMENTS = re.compile(rf"(?:{_PLAIN}{_S},{_S})*+".encode())
_MEMBERS = re.compile(rf"(?:{_NAME}{_PLAIN}{_S},{_S})*+".encode())
_MAX_STEPS = 500_000
"""The maximum of values parsed one by one (those nested more than three levels), which take about a second."""
_MAX_EXPONENT = 308
_SIGNIFICANT_DIGITS = 17
_MAX_TENTH = 1.7976931348623157e307  # one more digit would overflow a double


def find_fault(body: bytes) -> str | None:
    """Return the first syntax error with its byte offset.

    None if RapidJSON accepts the document.
    """
    try:
        _scan(body)
    except _Fault as fault:
        return f"{fault.reason} at offset: {fault.offset}"
    return None


class _Fault(Exception):  # noqa: N818 - the document's fault, not the program's
    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def _scan(body: bytes) -> None:
    """Parse one value.

    The explicit stack allows any depth.
    """
    position = _skip_space(body, len(_BOM) if body.startswith(_BOM) else 0)
    if body[position : position + 1] in {b"", b"\0"}:
        reason = "The document is empty."
        raise _Fault(reason, position)
    closing: list[bytes] = []
    for _ in range(_MAX_STEPS):
        first = body[position : position + 1]
        if first in {b"[", b"{"}:
            closing.append(b"]" if first == b"[" else b"}")
            position = _skip_space(body, position + 1)
            if body[position : position + 1] != closing[-1]:
                position = _next_value(body, position, closing[-1])
                continue
        else:
            position = _scalar(body, position)
        while closing:
            position = _skip_space(body, position)
            following = body[position : position + 1]
            position += 1
            if following == b",":
                position = _next_value(body, _skip_space(body, position), closing[-1])
                break
            if following != closing[-1]:
                what = "']' after an array element" if closing[-1] == b"]" else "'}' after an object member"
                reason = f"Missing a comma or {what}."
                raise _Fault(reason, position - 1)
            closing.pop()
        else:
            return
    reason = "The document is nested too deeply."
    raise _Fault(reason, position)


def _skip_space(body: bytes, position: int) -> int:
    return _end(_SPACE, body, position)


def _next_value(body: bytes, position: int, closing: bytes) -> int:
    """Skip a run of valid values.

    Return the start of the next value, after its name in an object.
    """
    if closing == b"]":
        return _end(_ELEMENTS, body, position)
    return _member_name(body, _end(_MEMBERS, body, position))


def _member_name(body: bytes, position: int) -> int:
    """Parse a member's name and colon.

    Return the start of its value.
    """
    if body[position : position + 1] != b'"':
        reason = "Missing a name for object member."
        raise _Fault(reason, position)
    position = _skip_space(body, _string(body, position))
    if body[position : position + 1] != b":":
        reason = "Missing a colon after a name of object member."
        raise _Fault(reason, position)
    return _skip_space(body, position + 1)


def _scalar(body: bytes, position: int) -> int:
    if body[position : position + 1] == b'"':
        return _string(body, position)
    if match := _NUMBER.match(body, position):
        return _number(body, match)
    return _literal(body, position)


def _string(body: bytes, position: int) -> int:
    position = _end(_STRING, body, position)
    match body[position : position + 1]:
        case b'"':
            return position + 1
        case b"" | b"\0":
            reason = "Missing a closing quotation mark in string."
        case b"\\" if body[position + 1 : position + 2] == b"u":
            is_high_surrogate = _HEX.match(body, position + 2)
            follows_escape = body[position + 6 : position + 8] == b"\\u"
            if not is_high_surrogate or (follows_escape and not _HEX.match(body, position + 8)):
                reason = "Incorrect hex digit after \\u escape in string."
            else:
                reason = "The surrogate pair in string is invalid."
        case _:  # an unknown escape or an unescaped control character
            reason = "Invalid escape character in string."
    raise _Fault(reason, position)


def _number(body: bytes, match: "re.Match[bytes]") -> int:
    """Check that a number is complete and fits a double."""
    digits, fraction, exponent = match.groups()
    if float(digits[:-1] or 0) >= _MAX_TENTH or _is_too_large(digits, fraction or b"", exponent or b"0"):
        reason = "Number too big to be stored in double."
        raise _Fault(reason, match.start())
    if exponent is None:
        _check_is_whole(body, match.end(), may_have_fraction=fraction is None)
    return match.end()


def _check_is_whole(body: bytes, position: int, *, may_have_fraction: bool = True) -> None:
    if may_have_fraction and body[position : position + 1] == b".":
        reason = "Miss fraction part in number."
        raise _Fault(reason, position + 1)
    if half := _EXPONENT.match(body, position):
        reason = "Miss exponent in number."
        raise _Fault(reason, half.end())


def _is_too_large(digits: bytes, fraction: bytes, exponent: bytes) -> bool:
    """Return whether RapidJSON rejects a number's exponent.

    It compares only the exponent: 0e309 is too big, and 9e308 is infinite. RapidJSON moves the decimal point behind the
    17 significant digits that it keeps, which lowers the exponent.
    """
    integer, zeros = digits.lstrip(b"0"), len(fraction) - len(fraction.lstrip(b"0"))
    moved = min(len(fraction), max(0, _SIGNIFICANT_DIGITS - len(integer)) + (0 if integer else zeros))
    return float(exponent) > _MAX_EXPONENT + moved  # int() rejects more than 4,300 digits


def _literal(body: bytes, position: int) -> int:
    negative = body[position : position + 1] == b"-"
    position += negative
    for word in () if negative else (b"true", b"false", b"null"):
        if body[position : position + 1] == word[:1]:
            return _word(body, position, word)
    length = _common_length(body, position, b"NaN")
    position += length
    if length < len(b"NaN"):
        position = _word(body, position, b"Inf")  # RapidJSON continues where the match of NaN ended: it accepts NaInf
        if body[position : position + 1] == b"i":
            position = _word(body, position, b"inity")
    _check_is_whole(body, position)
    return position


def _word(body: bytes, position: int, word: bytes) -> int:
    length = _common_length(body, position, word)
    if length < len(word):
        reason = "Invalid value."
        raise _Fault(reason, position + length)
    return position + length


def _common_length(body: bytes, position: int, word: bytes) -> int:
    length = 0
    while length < len(word) and body[position + length : position + length + 1] == word[length : length + 1]:
        length += 1
    return length


def _end(pattern: "re.Pattern[bytes]", body: bytes, position: int) -> int:
    """Return the end of a possibly empty match."""
    match = pattern.match(body, position)
    return match.end() if match else position
