"""Test the conversion of JSON to tf.Examples, and of results to JSON."""

import json
from typing import Any

import pytest
import tensorflow as tf

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.json_codec import write as json_write
from deploy.embedded.json_codec.examples import read_examples
from deploy.embedded.json_codec.parse import parse
from deploy.embedded.proto.inference_pb2 import (
    Class,
    ClassificationResult,
    Classifications,
    Regression,
    RegressionResult,
)


def features(serialized: bytes) -> dict[str, tuple[str | None, list[Any]]]:
    """Read an example with TensorFlow's own message."""
    example = tf.train.Example.FromString(serialized)
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = (kind, list(getattr(feature, kind).value) if kind else [])
    return found


def test_values_go_to_the_list_of_their_kind() -> None:
    body = b"""{"examples": [
        {"names": ["foo", {"b64": "/w=="}], "ratings": [8.0, Infinity, 1e300], "age": 20, "mixed": [1, true, false]},
        {"names": "\xe5\xa4\xa9", "ratings": -Infinity, "big": 9223372036854775807, "huge": 18446744073709551616},
        {"none": []}
    ]}"""
    given = read_examples(parse(body))
    first, second, third = map(features, given.example_list.examples)
    inf = float("inf")
    assert first == {
        "names": ("bytes_list", [b"foo", b"\xff"]),
        "ratings": ("float_list", [8.0, inf, inf]),
        "age": ("int64_list", [20]),
        "mixed": ("int64_list", [1, 1, 0]),
    }
    assert second == {
        "names": ("bytes_list", ["天".encode()]),
        "ratings": ("float_list", [-inf]),
        "big": ("int64_list", [2**63 - 1]),
        "huge": ("float_list", [2.0**64]),
    }
    assert third == {"none": (None, [])}


def test_of_two_values_under_one_name_the_last_counts() -> None:
    given = read_examples(parse(b'{"examples": [{"a": 1.5, "b": 1, "a": ["x", "y"]}], "examples": []}'))
    assert features(given.example_list.examples[0]) == {"a": ("bytes_list", [b"x", b"y"]), "b": ("int64_list", [1])}


def test_a_context_is_an_example_of_its_own() -> None:
    given = read_examples(parse(b'{"context": {"query": "pizza"}, "examples": [{"age": 1}, {}]}'))
    assert given.WhichOneof("kind") == "example_list_with_context"
    assert features(given.example_list_with_context.context) == {"query": ("bytes_list", [b"pizza"])}
    assert len(given.example_list_with_context.examples) == 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"context": [{"a": 1}]}', "Example must be JSON object but got JSON Array"),
        ('{"context": false, "examples": [{}]}', "Example must be JSON object but got JSON False"),
        ('{"context": {"a": 1}}', "When method is classify, key 'examples' is expected and was not found"),
        ('{"examples": {"a": ["b"]}}', "Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [[{"a": "b"}]]}', "Example must be JSON object but got JSON Array"),
        ('{"examples": [null]}', "Example must be JSON object but got JSON Null"),
        ('{"examples": [{"a": [10, null]}]}', "Feature: a has element with unexpected JSON type: Null"),
        ('{"examples": [{"a": {"b": 1}}]}', "Feature: a has element with unexpected JSON type: Object"),
        ('{"examples": [{"a": {"b64": 1}}]}', "Feature: a has element with unexpected JSON type: Object"),
        ('{"examples": [{"a": {"b64": "", "c": 1}}]}', "Feature: a has element with unexpected JSON type: Object"),
        ('{"examples": [{"a": [[10], 20]}]}', "Feature: a has element with unexpected JSON type: Array"),
        ('{"examples": [{"a": [10, 10.0]}]}', "Unexpected element type in feature: a expecting type: int64"),
        ('{"examples": [{"a": [10.0, 10]}]}', "Unexpected element type in feature: a expecting type: float"),
        ('{"examples": [{"a": ["b", true]}]}', "Unexpected element type in feature: a expecting type: bytes"),
        (
            '{"examples": [{"a": [1, 9223372036854775808]}]}',
            "Feature: a has uint64_t element. Only int64_t is supported.",
        ),
        ('{"examples": [{"a": {"b64": "?"}}]}', "Unable to base64 decode"),
        ('{"examples": [{"a": null, "a": 1}]}', "Feature: a has element with unexpected JSON type: Null"),
        (
            '{"examples": [{"a": {"b64": "", "b64": ""}}]}',
            "Feature: a has element with unexpected JSON type: Object",
        ),
    ],
)
def test_what_is_no_example_is_refused_in_tensorflow_servings_words(body: str, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        read_examples(parse(body.encode()))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message.endswith(text)


def test_a_feature_whose_name_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ServingError, match="The name of a feature is not UTF-8"):
        read_examples(parse(b'{"examples": [{"\xff": 1}]}'))


def test_classifications_are_pairs_of_label_and_score() -> None:
    result = ClassificationResult(
        classifications=[
            Classifications(classes=[Class(label="天".encode(), score=0.2), Class(label=b'"', score=1)]),
            Classifications(),
        ]
    )
    written = json_write.classifications(result).decode()
    assert written == '{\n    "results": [[["天", 0.2], ["\\"", 1.0]], []\n    ]\n}'


def test_regressions_are_numbers() -> None:
    values = [0.2, float("inf"), 1, float("-inf"), float("nan")]
    result = RegressionResult(regressions=[Regression(value=value) for value in values])
    written = json_write.regressions(result).decode()
    assert written == '{\n    "results": [0.2, Infinity, 1.0, -Infinity, NaN]\n}'
    assert json.loads(written)["results"][:4] == [0.2, float("inf"), 1, float("-inf")]
