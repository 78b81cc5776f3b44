"""Test text classification through the gateway."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import TextClassifier

from tests.client.scripted import Refusal, ScriptedClassifier
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Start, wait_until
from tests.support.classifier import LABELS, NAME
from tests.support.served import Served

TEXTS = ["今天天气很好", "中国的首都是北京"]
LONG = "北京" * 40
TASK = "text_classification"


def classify(gateway: Gateway, inputs: Any, **parameters: Any) -> Any:
    return gateway.answer("/v1/classify", {"inputs": inputs, "parameters": parameters})


def test_a_text_has_its_labels_best_first_and_a_list_has_a_list_of_them(classifying: Gateway) -> None:
    [best] = classify(classifying, TEXTS[0])
    assert best["label"] in LABELS
    scores = [one["score"] for one in classify(classifying, TEXTS[0], top_k=3)]
    assert scores == pytest.approx(np.linspace(2 / len(LABELS), 0, len(LABELS))[:3], abs=1e-6)
    assert best["score"] == scores[0]
    every = classify(classifying, TEXTS, top_k=None)
    assert [{one["label"] for one in each} for each in every] == [set(LABELS)] * 2
    assert every[0][0] == best
    assert classify(classifying, [TEXTS[0]]) == [[best]]


def test_an_exported_classifier_answers_as_through_the_client_and_as_at_export(
    start: Start, tiny_models: Served, tiny_classifier_version: Path
) -> None:
    folder = f"--classifier-folder={tiny_classifier_version.parent}"
    gateway = start(tiny_models.grpc, "--classifier=news", folder)
    gateway.wait_until_ready()
    with TextClassifier(tiny_models.grpc, "news") as client:
        expected = client.classify(TEXTS, None)
    found = classify(gateway, TEXTS, top_k=None)
    assert [[one["label"] for one in each] for each in found] == [[one.label for one in each] for each in expected]
    for each, classifications in zip(found, expected, strict=True):
        assert [one["score"] for one in each] == pytest.approx([one.score for one in classifications], abs=1e-5)
    [line] = gateway.wait_for_lines(1, module="canary", model_name="news")
    assert line["status"] == "success"
    assert line["value"] < 0.01


def test_huggingfaces_format_has_all_labels_in_a_list_of_lists(classifying: Gateway) -> None:
    [labels] = classifying.answer("/v1/text-classification", {"inputs": TEXTS[0]})
    assert labels == classify(classifying, TEXTS[0], top_k=None)
    document = {"inputs": TEXTS, "parameters": {"top_k": 1}}
    assert [len(each) for each in classifying.answer("/v1/text-classification", document)] == [1, 1]


def test_each_text_has_a_line_with_the_classifiers_name_version_and_label(classifying: Gateway) -> None:
    [best] = classify(classifying, TEXTS[0])
    classify(classifying, TEXTS)
    lines = classifying.wait_for_lines(3, module="inference")
    first = lines[0]
    assert (first["task"], first["status"], first["path"]) == (TASK, "success", "/v1/classify")
    assert (first["model_name"], first["model_version"]) == (NAME, 1)
    assert (first["input_text"], first["predicted_token"]) == (TEXTS[0], best["label"])
    assert first["score"] == pytest.approx(best["score"], abs=1e-4)
    assert [line["batch_size"] for line in lines] == [1, 2, 2]
    metrics = classifying.metrics()
    assert metrics[f'gateway_sentences_total{{status="success",task="{TASK}"}}'] == 3
    assert metrics[f'gateway_stage_seconds_count{{stage="total",task="{TASK}"}}'] == 2
    assert metrics['gateway_requests_total{path="/v1/classify",status="200"}'] == 2


def test_the_masked_language_model_keeps_its_own_name_in_the_log(classifying: Gateway) -> None:
    classify(classifying, TEXTS[0])
    classifying.answer("/predict", {"text": SENTENCE})
    lines = classifying.wait_for_lines(2, module="inference")
    assert {line["task"]: line["model_name"] for line in lines} == {TASK: NAME, "mask_prediction": "bert_mlm"}


def test_personal_data_in_a_classified_text_is_masked(classifying: Gateway) -> None:
    classify(classifying, "我的电话是13812345678")
    [line] = classifying.wait_for_lines(1, task=TASK)
    assert line["input_text"] == "我的电话是[PHONE]"


def test_without_a_classifier_it_is_404_and_says_which_setting_is_missing(scripted: Gateway) -> None:
    for path in ("/v1/classify", "/v1/text-classification"):
        response = scripted.post(path, {"inputs": TEXTS[0]})
        assert response.status_code == 404
        assert response.json()["error_type"] == "NoClassifierError"
        assert "set GATEWAY_CLASSIFIER to the name of one" in response.json()["error"]
        assert scripted.metrics()[f'gateway_requests_total{{path="{path}",status="404"}}'] == 1
    state = scripted.ask("GET", "/healthz").json()
    assert (state["status"], state["classifier"]) == ("ok", None)


def test_a_long_text_is_truncated_or_refused_with_the_apis_own_option(classifying: Gateway) -> None:
    response = classifying.post("/v1/classify", {"inputs": LONG})
    assert response.status_code == 400
    assert 'with "parameters": {"truncate": true}' in response.json()["error"]
    assert "truncate=True" not in response.json()["error"]
    assert classify(classifying, LONG, truncate=True)


def test_a_bad_text_of_several_is_named_by_its_number(classifying: Gateway) -> None:
    response = classifying.post("/v1/classify", {"inputs": [TEXTS[0], " "]})
    assert response.status_code == 400
    assert response.json()["error"].startswith("text 2 of 2: the text is empty")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"inputs": []}, "inputs: list should have at least 1 item"),
        ({"inputs": TEXTS, "parameters": {"top_k": 0}}, "top_k: input should be greater than or equal to 1"),
        ({"inputs": {"text": "一"}}, "inputs.text_pair: field required"),
        ({"inputs": {"text": "一", "text_pair": "二", "pair": 1}}, "inputs.pair: unknown field"),
        ({"inputs": [{"text": "一", "text_par": "二"}]}, "inputs.0.text_par: unknown field; did you mean text_pair?"),
        ({"inputs": [1]}, "inputs.0: input should be a valid string"),
        ({"inputs": "一", "parameters": {"top": 1}}, "parameters.top: unknown field; did you mean top_k?"),
    ],
)
def test_json_of_another_shape_is_422_and_names_the_field(classifying: Gateway, document: Any, words: str) -> None:
    response = classifying.post("/v1/classify", document)
    assert response.status_code == 422
    assert words in response.json()["error"]


def test_limits_are_those_of_the_other_questions(start: Start, two_models_url: str) -> None:
    small = start(two_models_url, f"--classifier={NAME}", "--max-batch=2", "--max-top-k=3")
    small.wait_until_ready()
    response = small.post("/v1/classify", {"inputs": [TEXTS[0]] * 3})
    assert (response.status_code, response.json()["error_type"]) == (413, "BatchTooLargeError")
    short = start(two_models_url, f"--classifier={NAME}", "--max-answer-bytes=1500")
    short.wait_until_ready()
    response = short.post("/v1/classify", {"inputs": TEXTS, "parameters": {"top_k": None}})
    assert (response.status_code, response.json()["error_type"]) == (413, "AnswerTooLargeError")
    response = small.post("/v1/classify", {"inputs": TEXTS[0], "parameters": {"top_k": 4}})
    assert (response.status_code, "top_k is 4, this gateway takes 3" in response.json()["error"]) == (400, True)


def test_pairs_are_for_a_classifier_of_pairs(start: Start, two_models_url: str, classifier: ScriptedClassifier) -> None:
    classifier.text_pairs = True
    gateway = start(two_models_url, f"--classifier={NAME}")
    gateway.wait_until_ready()
    pair = {"text": "今天天气很好", "text_pair": "我们去散步吧"}
    assert len(classify(gateway, pair)) == 1
    assert len(classify(gateway, [pair, pair])) == 2
    line = gateway.wait_for_lines(3, task=TASK)[0]
    assert line["input_text"] == "今天天气很好 | 我们去散步吧"
    response = gateway.post("/v1/classify", {"inputs": TEXTS[0]})
    assert response.status_code == 400
    assert '{"text": "…", "text_pair": "…"}' in response.json()["error"]


def test_pairs_for_a_classifier_of_single_texts_are_400(classifying: Gateway) -> None:
    response = classifying.post("/v1/classify", {"inputs": {"text": "今天", "text_pair": "天气"}})
    assert (response.status_code, response.json()["error_type"]) == (400, "InputError")


def test_a_score_that_is_no_number_is_502(classifying: Gateway, classifier: ScriptedClassifier) -> None:
    classifier.answers = {"scores": np.full((1, len(LABELS)), np.nan, np.float32)}
    response = classifying.post("/v1/classify", {"inputs": TEXTS[0]})
    assert (response.status_code, response.json()["error_type"]) == (502, "ProtocolError")


def test_an_error_of_the_classifier_is_its_own_and_the_model_still_answers(
    classifying: Gateway, classifier: ScriptedClassifier
) -> None:
    classifier.refusal = Refusal("broken", "INTERNAL")
    assert classifying.post("/v1/classify", {"inputs": TEXTS[0]}).status_code == 502
    assert classifying.post("/predict", {"text": SENTENCE}).status_code == 200
    [line] = classifying.wait_for_lines(1, task=TASK)
    assert (line["status"], line["level"], line["model_name"]) == ("failed", "ERROR", NAME)


def test_health_says_that_the_classifier_is_not_served_while_the_model_is(
    start: Start, two_models_url: str, classifier: ScriptedClassifier
) -> None:
    classifier.name = "another"
    gateway = start(two_models_url, f"--classifier={NAME}")
    gateway.wait_until_ready()
    response = gateway.ask("GET", "/healthz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    state = response.json()["classifier"]
    assert (state["name"], state["status"], state["version"]) == (NAME, "unavailable", None)
    assert NAME in state["reason"]
    assert gateway.metrics()["gateway_classifier_ready"] == 0
    assert "gateway_classifier_version" not in gateway.metrics()
    response = gateway.post("/v1/classify", {"inputs": TEXTS[0]})
    assert (response.status_code, response.json()["error_type"]) == (503, "ModelNotFoundError")
    assert gateway.post("/predict", {"text": SENTENCE}).status_code == 200
    classifier.name = NAME
    wait_until(lambda: gateway.ask("GET", "/healthz").json()["status"] == "ok")
    assert gateway.metrics()["gateway_classifier_ready"] == 1
    assert gateway.metrics()["gateway_classifier_version"] == 1
    assert len(classify(gateway, TEXTS[0])) == 1


def test_strangers_are_told_that_there_is_a_classifier_without_its_address(
    start: Start, two_models_url: str, classifier: ScriptedClassifier
) -> None:
    classifier.state = "LOADING"
    gateway = start(two_models_url, f"--classifier={NAME}", GATEWAY_API_KEYS="a-key-that-is-long-enough")
    gateway.wait_until_ready()
    assert gateway.ask("GET", "/healthz").json() == {
        "status": "degraded",
        "model": {"version": 1},
        "classifier": {
            "status": "unavailable",
            "reason": "the model server does not serve the model yet; try again later",
            "version": None,
        },
    }


def test_a_classifier_that_is_not_ready_is_an_alert(
    start: Start, two_models_url: str, classifier: ScriptedClassifier
) -> None:
    classifier.state = "LOADING"
    gateway = start(two_models_url, f"--classifier={NAME}", "--alert-not-ready-s=0.1")
    wait_until(lambda: gateway.lines(module="alert", task="model_not_ready", status="firing"))
    classifier.state = "AVAILABLE"
    wait_until(lambda: gateway.lines(module="alert", task="model_not_ready", status="resolved"))


def test_a_masked_language_model_named_as_classifier_is_one_clear_reason(start: Start, two_models_url: str) -> None:
    gateway = start(two_models_url, "--classifier=bert_mlm")
    gateway.wait_until_ready()
    state = gateway.ask("GET", "/healthz").json()
    assert state["status"] == "degraded"
    assert "the model fills masks and has no labels" in state["classifier"]["reason"]
    response = gateway.post("/v1/classify", {"inputs": TEXTS[0]})
    assert (response.status_code, response.json()["error_type"]) == (501, "SignatureNotFoundError")
