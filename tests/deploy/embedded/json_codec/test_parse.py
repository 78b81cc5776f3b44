"""Compare the JSON parser with values, texts and offsets of RapidJSON 1.1.0."""

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.json_codec.parse import members, parse


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf {}", {}),
        (b'{"a": 1} and more', {"a": 1}),
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 1, "b": 2}),
        (b"[Infinity, -Infinity, Inf, -Inf]", [math.inf, -math.inf, math.inf, -math.inf]),
        (b'["Inf", "-NaN", Inf]', ["Inf", "-NaN", math.inf]),
        (b"[1e308, -1e308, 1e-999, 0.0]", [1e308, -1e308, 0.0, 0.0]),
        (b"[9e308, -9e308, 0.001e310]", [math.inf, -math.inf, 1e307]),
        (b'[NInf, "\\udc80", "\\ud83d\\ude00"]', [math.inf, "\udced\udcb2\udc80", "😀"]),
        (b"[9223372036854775807, 18446744073709551615]", [2**63 - 1, 2**64 - 1]),
        (b"[18446744073709551616, -9223372036854775809]", [2.0**64, -(2.0**63)]),
        (b'["\\ud83d\\ude00", "\\\\ud800", "\\u5929"]', ["😀", "\\ud800", "天"]),
        (b'["\x7f", "\\u0000"]', ["\x7f", "\0"]),
    ],
)
def test_what_rapidjson_accepts_is_accepted(body: bytes, value: Any) -> None:
    found = parse(body)
    assert found == value
    assert json.dumps(found) == json.dumps(value)  # 1 and 1.0 are equal, but not the same


@pytest.mark.parametrize("body", [b"[NaN]", b"[-NaN]"])
def test_nan_has_two_spellings(body: bytes) -> None:
    assert math.isnan(parse(body)[0])


def test_an_object_keeps_all_members_of_one_name() -> None:
    value = parse(b'{"a": 1, "b": 2, "a": 3}')
    assert (value["a"], list(members(value))) == (1, [("a", 1), ("b", 2), ("a", 3)])


def test_bytes_that_are_no_utf_8_come_back_from_a_string() -> None:
    assert parse(b'["\xff\xe5"]')[0].encode("utf-8", "surrogateescape") == b"\xff\xe5"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xef\xbb\xbf ", "The document is empty. at offset: 4"),
        (b"\xef\xbb\xbf?", "Invalid value. at offset: 3"),
        (b'{"a": 1e999}', "Number too big to be stored in double. at offset: 6"),
        (b'{"1e999": "1e999", "a": -1e400}', "Number too big to be stored in double. at offset: 24"),
        (b"[" + b"9" * 400 + b"]", "Number too big to be stored in double. at offset: 1"),
        (b"[" + b"9" * 100_000 + b"]", "Number too big to be stored in double. at offset: 1"),
        (b'["\\ud800"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b'["\\ud83d\\u0041"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b'["\\\\\\ud83d"]', "The surrogate pair in string is invalid. at offset: 4"),
        (b"[1.]", "Miss fraction part in number. at offset: 3"),
        (b"[1.5e+]", "Miss exponent in number. at offset: 6"),
        (b"[01]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[-]", "Invalid value. at offset: 2"),
        (b"[Infi]", "Invalid value. at offset: 5"),
        (b"[tru]", "Invalid value. at offset: 4"),
        (b'["a\tb"]', "Invalid escape character in string. at offset: 3"),
        (b'["\x01"]', "Invalid escape character in string. at offset: 2"),
        (b'["a\0b"]', "Missing a closing quotation mark in string. at offset: 3"),
        (b'["\\x"]', "Invalid escape character in string. at offset: 2"),
        (b'["\\u12g4"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        (b'["\\ud83d\\u12"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        (b"[0e309]", "Number too big to be stored in double. at offset: 1"),
        (b'["\\ud800", 1e999]', "The surrogate pair in string is invalid. at offset: 2"),
        (b'[1e999, "\\ud800"]', "Number too big to be stored in double. at offset: 1"),
        (b'[1 2, "\\ud800"]', "Missing a comma or ']' after an array element. at offset: 3"),
        (b"[1\0, 2]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"\0{}", "The document is empty. at offset: 0"),
        (b'{"a": {"b": 1 "c": 2}}', "Missing a comma or '}' after an object member. at offset: 14"),
        (b'{"a"}', "Missing a colon after a name of object member. at offset: 4"),
        (b"[NaNE", "Miss exponent in number. at offset: 5"),
        (b"1.", "Miss fraction part in number. at offset: 2"),
        (b'["abc', "Missing a closing quotation mark in string. at offset: 5"),
        (b"[1,]", "Invalid value. at offset: 3"),
        (b'{"a": 1,}', "Missing a name for object member. at offset: 8"),
        (b'{"a": [{}', "Missing a comma or ']' after an array element. at offset: 9"),
        (b"[" * 500_000, "The document is nested too deeply. at offset: 0"),
        (b"[" + b"[[[[[]]]]]," * 200_000 + b"?", "The document is nested too deeply. at offset: 1099994"),
        (b'{"a":' * 500_000, "The document is nested too deeply. at offset: 0"),
    ],
)
def test_faults_are_reported_with_their_offset(body: bytes, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        parse(body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == f"JSON Parse error: {text}"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | st.text('[]{}",:\\u0123dDeE+-.truefalsnNIinfy \n', max_size=40).map(str.encode))
def test_no_body_does_worse_than_a_parse_error(body: bytes) -> None:
    with contextlib.suppress(ServingError):  # anything else fails the test
        parse(body)
