"""Test bodies, number formats and type rules of ``:predict`` over REST."""

import base64
import gzip
import json
from typing import Any

import pytest


def test_a_plain_list_is_a_row_for_each_value(server: Any) -> None:
    answer = server.predict("half", {"instances": [1.0, 2, 5.0]})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'


def test_objects_name_the_inputs_and_the_outputs(server: Any) -> None:
    rows = [{"ids": [1, 2], "weights": [0.5, 1]}, {"weights": [2, 3], "ids": [3, 4]}]
    answer = server.predict("pair", {"instances": rows})
    assert answer.json == {"predictions": [{"double": [1.0, 2.0], "total": 3}, {"double": [4.0, 6.0], "total": 7}]}
    assert answer.body.startswith(b'{\n    "predictions": [\n        {\n            "double": [1.0, 2.0],\n')


def test_one_named_input_may_be_named_in_rows(server: Any) -> None:
    assert server.predict("half", {"instances": [{"x": [1.0]}]}).json == {"predictions": [[2.5]]}


def test_columns_give_the_whole_tensor(server: Any) -> None:
    assert server.predict("half", {"inputs": [[1.0], [2.0]]}).json == {"outputs": [[2.5], [3.0]]}
    assert server.predict("half", {"inputs": {"x": 4}}).json == {"outputs": 4.0}


def test_several_columns_are_an_object(server: Any) -> None:
    answer = server.predict("pair", {"inputs": {"ids": [[1, 2]], "weights": [[0.5, 1.5]]}})
    assert answer.json == {"outputs": {"total": [3], "double": [[1.0, 3.0]]}}


def test_an_empty_batch_is_an_empty_list(server: Any) -> None:
    assert server.predict("half", {"inputs": []}).json == {"outputs": []}


def test_the_signature_and_the_version_can_be_chosen(server: Any) -> None:
    inputs = {"ids": [[1, 2]], "weights": [[3.9]]}
    assert server.predict("pair", {"signature_name": "scalar", "inputs": inputs}).json == {"outputs": 6}
    answer = server.ask("POST", "/v1/models/half/versions/123:predict", '{"instances": [1]}')
    assert answer.json == {"predictions": [2.5]}


def test_routes_ignore_case_but_verbs_do_not(server: Any) -> None:
    assert server.ask("POST", "/V1/Models/half:predict", '{"instances": [1]}').status == 200
    answer = server.ask("POST", "/v1/models/half:PREDICT", '{"instances": [1]}')
    assert (answer.status, answer.error) == (400, "Malformed request: POST /v1/models/half:PREDICT")
    assert "model_version_status" in server.ask("GET", "/v1/models/half/METADATA").json


def test_names_are_percent_decoded(server: Any) -> None:
    assert server.ask("POST", "/v1/models/h%61lf:predict", '{"instances": [1]}').status == 200


def test_bytes_travel_as_b64(server: Any) -> None:
    packed = {"b64": base64.b64encode(b"\xff\x00").decode()}
    answer = server.predict("text", {"signature_name": "both", "instances": [packed, "天"]})
    assert b'{"b64": "/wA="}' in answer.body
    assert b'"text": "\xff\\u0000"' in answer.body
    assert json.loads(answer.body.decode("utf-8", "replace"))["predictions"][1] == {
        "text": "天",
        "text_bytes": {"b64": base64.b64encode("天".encode()).decode()},
    }


def test_a_gzipped_body_is_unpacked(server: Any) -> None:
    body = gzip.compress(b'{"instances": [1]}')
    answer = server.ask("POST", "/v1/models/half:predict", body, {"Content-Encoding": "gzip"})
    assert answer.json == {"predictions": [2.5]}
    assert "content-encoding" not in answer.headers


def test_what_follows_the_object_is_ignored(server: Any) -> None:
    assert server.predict("half", b'{"instances": [1], "other": 1} and more').status == 200


def test_the_first_of_two_equal_keys_counts(server: Any) -> None:
    assert server.predict("half", '{"instances": [1], "instances": [2]}').json == {"predictions": [2.5]}


@pytest.mark.parametrize(
    ("signature", "given", "written"),
    [
        ("single", "0.2", "0.2"),
        ("single", "9000000", "9e+06"),
        ("single", "999999", "999999.0"),
        ("single", "0.00003", "3e-05"),
        ("single", "16777217", "16777216.0"),
        ("single", "0.1234567", "0.123456702"),
        ("single", "1e39", "Infinity"),
        ("single", "NaN", "NaN"),
        ("single", "-Infinity", "-Infinity"),
        ("single", "-0.0", "-0.0"),
        ("wide", "0.1", "0.1"),
        ("wide", "0.12345678", "0.12345678"),
        ("big", "-9223372036854775808", "-9223372036854775808"),
        ("small", "-7", "-7"),
        ("flag", "true", "true"),
    ],
)
def test_numbers_are_written_in_few_digits_that_bring_them_back(
    server: Any, signature: str, given: str, written: str
) -> None:
    answer = server.predict("kinds", f'{{"signature_name": "{signature}", "instances": [{given}]}}')
    assert answer.body.decode() == f'{{\n    "predictions": [{written}\n    ]\n}}'


@pytest.mark.parametrize(
    ("signature", "given", "text"),
    [
        ("single", '"x"', 'JSON Value: "x" Type: String is not of expected type: float'),
        ("single", "true", "JSON Value: true Type: True is not of expected type: float"),
        ("single", "null", "JSON Value: null Type: Null is not of expected type: float"),
        ("small", "1.23456789", "JSON Value: 1.23456788 Type: Number is not of expected type: int8"),
        ("small", "1e39", "JSON Value: 1e+39 Type: Number is not of expected type: int8"),
        ("small", "1.0", "JSON Value: 1.0 Type: Number is not of expected type: int8"),
        ("small", "2147483648", "JSON Value: 2147483648 Type: Number is not of expected type: int8"),
        ("big", "9223372036854775808", "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64"),
        ("flag", "1", "JSON Value: 1 Type: Number is not of expected type: bool"),
        ("flag", '"true"', 'JSON Value: "true" Type: String is not of expected type: bool'),
    ],
)
def test_types_are_strict(server: Any, signature: str, given: str, text: str) -> None:
    answer = server.predict("kinds", f'{{"signature_name": "{signature}", "inputs": [{given}]}}')
    assert (answer.status, answer.error) == (400, text)


@pytest.mark.parametrize(
    ("model", "document", "text"),
    [
        (
            "half",
            {"instances": [[1.0], [1.0, 2.0]]},
            "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2",
        ),
        ("half", {"instances": [[[1.0, 2.0]], [[1.0], [2.0]]]}, "Expecting shape [1,2] but got: [2,1]"),
        ("half", {"instances": [1.0, {"x": 1.0}]}, "Expecting value/list but got object at item 1 of input list"),
        ("half", {"instances": [{"x": 1.0}, 1.0]}, "Expecting object but got list at item 1 of input list"),
        ("half", {"inputs": [[1.0], 2.0]}, "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("half", {"inputs": [1.0, [2.0]]}, "Encountered list at unexpected level: 1 expected < 1"),
        (
            "half",
            {"inputs": [[1.0], [2.0, 3.0]]},
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (
            "pair",
            {"instances": [1.0]},
            "instances is a plain list, but expecting list of objects",
        ),
        (
            "pair",
            {"inputs": [1.0]},
            "inputs is a plain value/list, but expecting an object",
        ),
        ("pair", {"instances": [{"ids": [1]}]}, "keys must be equal to: ids,weights"),
        (
            "pair",
            {"instances": [{"ids": [1], "other": 1}]},
            "0 key: other of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: other",
        ),
        ("pair", {"inputs": {"ids": [[1]]}}, "Missing named input: weights in 'inputs' object."),
        (
            "half",
            {"instances": [1], "inputs": [1]},
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
        ),
        ("half", {"instances": 1}, "Expecting 'instances' to be an list/array"),
        ("half", {"instances": []}, "No values in 'instances' array"),
        ("half", {"other": 1}, "Missing 'inputs' or 'instances' key"),
        ("half", [1], "Is not object"),
        ("half", {"signature_name": 1, "instances": [1]}, "'signature_name' key must be a string value."),
        ("half", {"signature_name": "no", "instances": [1]}, 'Serving signature name: "no" not found in signature def'),
        ("text", {"instances": [{"b64": "?"}]}, "Unable to base64 decode"),
        ("text", {"inputs": [{"b64": 1}]}, "not formatted correctly for base64 data"),
        (
            "pair",
            {"signature_name": "scalar", "instances": [{"ids": [1], "weights": [1]}]},
            "Tensor name: all has no shape information",
        ),
        (
            "pair",
            {"signature_name": "uneven", "instances": [{"ids": [1], "weights": [1]}] * 2},
            "Tensor name: second has inconsistent batch size: 2 expecting: 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_tensorflow_servings_words(
    server: Any, model: str, document: Any, text: str
) -> None:
    answer = server.predict(model, document)
    assert answer.status == 400
    assert text in answer.error
    assert answer.body.startswith(b'{\n    "error": "')


def test_what_the_graph_refuses_is_told_in_its_words(server: Any) -> None:
    answer = server.predict("pair", {"inputs": {"ids": 1, "weights": [[1]]}})
    assert answer.status == 400
    assert "Invalid reduction dimension" in answer.error


def test_an_input_that_is_also_an_output_is_refused_as_the_session_does(server: Any) -> None:
    inputs = {"ids": [[1]], "weights": [[1]]}
    answer = server.predict("pair", {"signature_name": "unrun", "inputs": inputs})
    assert answer.status == 400
    assert "both fed and fetched" in answer.error


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "The document is empty"),
        ("  ", "The document is empty. at offset: 2"),
        ("nonsense", "Invalid value. at offset: 1"),
        ("?", "Invalid value. at offset: 0"),
        ('{"天": ?}', "Invalid value. at offset: 8"),
        ('{"a": 1 "b"}', "Missing a comma or '}' after an object member. at offset: 8"),
        ('{"a": [1 2]}', "Missing a comma or ']' after an array element. at offset: 9"),
        ('{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        ("{1: 2}", "Missing a name for object member. at offset: 1"),
        ("[" * 100_000, "The document is nested too deeply. at offset: 0"),
        ("1" * 5000, "Number too big to be stored in double. at offset: 0"),
    ],
)
def test_faults_of_the_json_come_before_the_model(server: Any, body: str, text: str) -> None:
    answer = server.predict("no_such_model", body.encode())
    assert (answer.status, answer.error) == (400, f"JSON Parse error: {text}")


def test_a_low_surrogate_by_itself_is_its_three_bytes(server: Any) -> None:
    answer = server.predict("text", b'{"instances": ["\\udc80", "\\ud83d\\ude00"]}')
    assert answer.body == b'{\n    "predictions": ["\xed\xb2\x80", "\xf0\x9f\x98\x80"\n    ]\n}'


def test_control_characters_are_escaped_in_capitals(server: Any) -> None:
    answer = server.predict("text", {"instances": ["\x1f\x0b\n\x7f\\u001f"]})
    assert answer.body == b'{\n    "predictions": ["\\u001F\\u000B\\n\x7f\\\\u001f"\n    ]\n}'


def test_half_a_surrogate_pair_is_no_string(server: Any) -> None:
    answer = server.predict("text", b'{"instances": ["\\ud800"]}')
    text = "JSON Parse error: The surrogate pair in string is invalid. at offset: 16"
    assert (answer.status, answer.error) == (400, text)


# The following differs from TensorFlow Serving (see the README).


def test_a_number_becomes_the_nearest_double(server: Any) -> None:
    answer = server.predict("kinds", '{"signature_name": "wide", "inputs": [0.47571972304482524]}')
    assert answer.json == {"outputs": [0.47571972304482524]}  # RapidJSON reads 0.4757197230448253


@pytest.mark.parametrize("number", ["NaN.5", "Infinitye5", "-Inf.0"])
def test_nan_and_infinity_have_no_fraction_or_exponent(server: Any, number: str) -> None:
    answer = server.predict("half", f'{{"instances": [{number}]}}')
    assert answer.status == 400
    assert answer.error.startswith("JSON Parse error: ")


def test_of_a_name_that_occurs_twice_in_a_row_the_first_value_counts(server: Any) -> None:
    answer = server.predict("half", '{"instances": [{"x": 1, "x": 2}, {"x": 3}]}')
    assert answer.json == {"predictions": [2.5, 3.5]}


def test_more_dimensions_than_arrays_have_are_refused(server: Any) -> None:
    answer = server.predict("half", '{"inputs": ' + "[" * 900 + "1" + "]" * 900 + "}")
    assert (answer.status, answer.error) == (400, "A tensor of 900 dimensions is not supported; at most 64 are.")


def test_an_error_quotes_arrays_on_one_line(server: Any) -> None:
    answer = server.predict("half", '{"instances": {"a": [1, 2.50, "\\u001f"]}, "b": [[], {"c": null}, {}]}')
    quoted = """{
    "instances": {
        "a": [1, 2.5, "\\u001F"]
    },
    "b": [[], {
            "c": null
        }, {}]
}"""
    text = f"JSON Value: {quoted} Expecting 'instances' to be an list/array"
    assert (answer.status, answer.error) == (400, text)


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("[" * 900 + "]" * 900, "[" * 221),
        (str([1] * 100_000), "[" + "1, " * 73 + "1"),
        ('"' + "x" * 1000 + '", 5', '"' + "x" * 1000 + '"'),
    ],
    ids=["deep", "many", "one long token"],
)
def test_an_error_quotes_a_document_up_to_the_token_that_reaches_256_bytes(
    server: Any, value: str, quoted: str
) -> None:
    answer = server.predict("half", f'{{"instances": {{"a": [{value}]}}}}')
    begin = '{\n    "instances": {\n        "a": ['
    assert answer.error == f"JSON Value: {begin}{quoted} Expecting 'instances' to be an list/array"


def test_large_tensors_pass(server: Any) -> None:
    answer = server.predict("half", {"instances": list(range(300_000))})
    assert answer.json["predictions"][-1] == 299_999 / 2 + 2


def test_a_broken_gzip_body_is_an_empty_document(server: Any) -> None:
    answer = server.ask("POST", "/v1/models/half:predict", b"no gzip", {"Content-Encoding": "gzip"})
    assert (answer.status, answer.error) == (400, "JSON Parse error: The document is empty")


def test_unknown_models_versions_and_labels(server: Any) -> None:
    body = '{"instances": [1]}'
    cases = {
        "/v1/models/none:predict": (404, "Servable not found for request: Latest(none)"),
        "/v1/models/half/versions/7:predict": (404, "Servable not found for request: Specific(half, 7)"),
        "/v1/models/half/labels/no:predict": (400, "Unrecognized servable version label: no"),
    }
    for path, expected in cases.items():
        answer = server.ask("POST", path, body)
        assert (answer.status, answer.error) == expected
