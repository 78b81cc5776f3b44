"""Test :classify and :regress over REST on typical models."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.embedded.half_plus_two import save_half_plus_three, save_half_plus_two


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Any]) -> Iterator[Any]:
    base = tmp_path_factory.mktemp("rest") / "half"
    save_half_plus_two(base / "123")
    with serve("--model_name=half", f"--model_base_path={base}") as server:
        server.wait_for("half")
        yield server


def ask(rest: Any, verb: str, body: str, model: str = "half") -> Any:
    return rest.ask("POST", f"/v1/models/{model}:{verb}", body)


def test_regress_answers_with_a_number_for_each_example(rest: Any) -> None:
    answer = ask(rest, "regress", '{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}, {"x": [2.0]}]}')
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == b'{\n    "results": [42.0, 3.0]\n}'


def test_classify_answers_with_pairs_for_each_example(rest: Any) -> None:
    body = '{"signature_name": "classify_both", "examples": [{"x": 20.0, "word": "car"}, {"x": 10.0}]}'
    assert ask(rest, "classify", body).json == {"results": [[["car", 12]], [["none", 7]]]}
    body = '{"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}]}'
    assert ask(rest, "classify", body).body == b'{\n    "results": [[["", 12.0]]\n    ]\n}'


def test_a_context_fills_what_the_examples_lack(rest: Any) -> None:
    body = '{"signature_name": "regress_age", "context": {"age": 7, "x": 0.0}, "examples": [{}, {"age": true}]}'
    assert ask(rest, "regress", body).json == {"results": [7.0, 1.0]}


def test_the_graph_decides_on_the_type_of_examples(
    tmp_path: Path, serve: Callable[..., contextlib.AbstractContextManager[Any]]
) -> None:
    save_half_plus_three(tmp_path / "123")
    with serve("--model_name=three", f"--model_base_path={tmp_path}") as server:
        server.wait_for("three")
        body = '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}'
        answer = ask(server, "regress", body, model="three")
        assert (answer.status, answer.json) == (200, {"results": [3.5, 4.0]})
        metadata = server.ask("GET", "/v1/models/three/metadata").json["metadata"]["signature_def"]["signature_def"]
        assert metadata["tensorflow/serving/regress"]["inputs"]["inputs"]["dtype"] == "DT_FLOAT"


def test_of_two_features_of_one_name_the_last_counts(rest: Any) -> None:
    body = '{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0, "x": 2.0}]}'
    assert ask(rest, "regress", body).json == {"results": [3.0]}


def test_a_version_can_be_chosen(rest: Any) -> None:
    body = '{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}'
    assert rest.ask("POST", "/v1/models/half/versions/123:regress", body).json == {"results": [42.0]}
    answer = rest.ask("POST", "/v1/models/half/versions/99:regress", body)
    assert (answer.status, answer.error) == (404, "Servable not found for request: Specific(half, 99)")


@pytest.mark.parametrize(
    ("verb", "body", "status", "text"),
    [
        ("regress", "", 400, "JSON Parse error: The document is empty"),
        ("regress", '{"signature_name": ["a"], "examples": [{}]}', 400, "'signature_name' key must be a string value."),
        ("regress", '{"examples": []}', 400, "'examples' value is an empty array"),
        ("regress", '{"examples": [{"x": 1.0}]}', 400, "No regression inputs found in SignatureDef: "),
        (
            "classify",
            '{"signature_name": "no", "examples": [{"x": 1.0}]}',
            400,
            "No signature was found with the name: no",
        ),
        ("classify", '{"signature_name": "regress_x_to_y", "examples": [{"x": 1}]}', 400, "at least one of"),
        (
            "classify",
            '{"signature_name": "classify_both", "examples": [{"x": 1}]}',
            400,
            "Data types don't match. Data type: int64 but expected type: float",
        ),
        ("CLASSIFY", "{}", 400, "Malformed request: POST /v1/models/half:CLASSIFY"),
    ],
)
def test_faults_are_told_in_tensorflow_servings_words(rest: Any, verb: str, body: str, status: int, text: str) -> None:
    answer = ask(rest, verb, body)
    assert answer.status == status
    assert text in answer.error


def test_faults_of_the_examples_come_before_the_model(rest: Any) -> None:
    assert "Example must be JSON object" in ask(rest, "classify", '{"examples": [1]}', model="none").error
    answer = ask(rest, "classify", '{"examples": [{}]}', model="none")
    assert (answer.status, answer.error) == (404, "Servable not found for request: Latest(none)")
