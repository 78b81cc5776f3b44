"""Test that huggingface_hub's InferenceClient understands the gateway, and the gateway it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from huggingface_hub import (
    FillMaskOutputElement,
    InferenceClient,
    TextClassificationOutputElement,
)

from tests.deploy.gateway.conftest import SENTENCE, Gateway
from tests.support.classifier import LABELS

A, B, C = "今天天气真好。", "今天天气不错。", "他去图书馆了。"

Ask = Callable[..., Any]


@pytest.fixture
def client() -> InferenceClient:
    return InferenceClient(provider="hf-inference", api_key="none")


def at(gateway: Gateway, task: str) -> str:
    return f"{gateway.url}/v1/{task}"


def test_fill_mask_has_its_own_type_with_and_without_targets(client: InferenceClient, gateway: Gateway) -> None:
    found = client.fill_mask(SENTENCE, top_k=3, model=at(gateway, "fill-mask"))
    assert len(found) == 3
    assert all(isinstance(one, FillMaskOutputElement) for one in found)
    [ours] = gateway.answer("/v1/fill-mask", {"inputs": [SENTENCE], "parameters": {"top_k": 3}})
    assert [(one.token, one.token_str, one.sequence) for one in found] == [
        (one["token"], one["token_str"], one["sequence"]) for one in ours
    ]
    several = client.fill_mask(SENTENCE, targets=["都", "府"], model=at(gateway, "fill-mask"))
    assert {one.token_str for one in several} == {"都", "府"}
    [single] = client.fill_mask(SENTENCE, targets="都", model=at(gateway, "fill-mask"))  # type: ignore[arg-type]  # pipelines take it
    assert single.token_str == "都"


def test_sentence_similarity_is_a_list_of_numbers(client: InferenceClient, gateway: Gateway) -> None:
    for path in ("sentence-similarity", "similarity"):
        found = client.sentence_similarity(A, other_sentences=[B, C, A], model=at(gateway, path))
        assert len(found) == 3
        assert found[2] == pytest.approx(1, abs=1e-4)
        assert found[0] > found[1]


def test_feature_extraction_is_an_array_whose_cosines_are_the_similarities(
    client: InferenceClient, gateway: Gateway
) -> None:
    similar = client.sentence_similarity(A, other_sentences=[B, C], model=at(gateway, "sentence-similarity"))
    vectors = client.feature_extraction([A, B, C], model=at(gateway, "feature-extraction"))
    assert (str(vectors.dtype), vectors.ndim, len(vectors)) == ("float32", 2, 3)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[1:] @ vectors[0] == pytest.approx(similar, abs=1e-4)
    single = client.feature_extraction(A, model=at(gateway, "feature-extraction"))
    assert single.shape == (1, vectors.shape[1])
    assert single[0] == pytest.approx(vectors[0], abs=1e-4)
    raw = client.feature_extraction(A, normalize=False, truncate=True, model=at(gateway, "feature-extraction"))
    assert raw[0] / np.linalg.norm(raw) == pytest.approx(vectors[0], abs=1e-4)
    assert np.linalg.norm(raw) != pytest.approx(1, abs=1e-3)


def test_a_long_text_for_a_vector_names_the_field_where_it_is(gateway: Gateway) -> None:
    document = {"inputs": "天气" * 400}
    response = gateway.post("/v1/feature-extraction", document)
    assert response.status_code == 400
    assert 'with "truncate": true' in response.json()["error"]
    assert len(gateway.answer("/v1/feature-extraction", {**document, "truncate": True})) == 1


def test_a_long_sentence_to_compare_has_no_option_to_name(gateway: Gateway) -> None:
    document = {"inputs": {"source_sentence": "天气" * 400, "sentences": [A]}}
    for path in ("similarity", "sentence-similarity"):
        response = gateway.post(f"/v1/{path}", document)
        assert response.status_code == 400
        assert response.json()["error"].endswith("; shorten it")


def test_what_only_other_servers_can_do_is_refused_by_its_name(gateway: Gateway) -> None:
    for field, value in (("prompt_name", "query"), ("dimensions", 8), ("encoding_format", "base64")):
        response = gateway.post("/v1/feature-extraction", {"inputs": A, field: value})
        assert response.status_code == 422
        assert response.json()["error"].startswith(f"{field}: ")


def test_text_classification_is_a_list_of_its_own_type(client: InferenceClient, classifying: Gateway) -> None:
    labels = client.text_classification("今天天气很好", model=at(classifying, "text-classification"))
    assert {one.label for one in labels} == set(LABELS)
    assert all(isinstance(one, TextClassificationOutputElement) for one in labels)
    assert sum(one.score for one in labels) == pytest.approx(1, abs=1e-5)
    [best] = client.text_classification("今天天气很好", top_k=1, model=at(classifying, "text-classification"))
    assert best == labels[0]


@pytest.mark.parametrize("options", [{"wait_for_model": True, "use_cache": False}, {"use_gpu": True, "new": 1}, None])
def test_options_of_the_hosted_service_are_ignored(classifying: Gateway, options: Any) -> None:
    for path, inputs in (
        ("fill-mask", SENTENCE),
        ("classify", "今天"),
        ("text-classification", "今天"),
    ):
        classifying.answer(f"/v1/{path}", {"inputs": inputs, "options": options})


@pytest.mark.parametrize("path", ["similarity", "sentence-similarity"])
def test_options_of_similarity_are_ignored_too(gateway: Gateway, path: str) -> None:
    inputs = {"source_sentence": A, "sentences": [B]}
    gateway.answer(f"/v1/{path}", {"inputs": inputs, "parameters": {}, "options": {"wait_for_model": True}})
    gateway.answer("/v1/feature-extraction", {"inputs": A, "options": {"wait_for_model": True}})
