"""Compare /v1/proofread with the client on the demonstration checkpoint."""

import inspect
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from bert_mlm_client import FillMask

from deploy.gateway.api.requests import ProofreadParameters
from tests.deploy.gateway.conftest import Gateway, Start

PATH = "/v1/proofread"
TASK = "proofreading"
TEXT = "他说话总是绵里藏真，让人不舒服。"
RIGHT = "今天天气很好。"
LOOSE = 1.0


@pytest.fixture(scope="module")
def direct(serving_url: str) -> Iterator[FillMask]:
    with FillMask(serving_url) as client:
        yield client


def proofread(gateway: Gateway, inputs: Any, **parameters: Any) -> Any:
    return gateway.answer(PATH, {"inputs": inputs, "parameters": parameters})


def refusal(response: httpx2.Response) -> tuple[int, str, str]:
    body = response.json()
    return response.status_code, body["error_type"], body["error"]


def test_each_character_has_its_probability_and_the_improbable_ones_have_suggestions(
    gateway: Gateway, direct: FillMask
) -> None:
    expected = direct.proofread(TEXT, LOOSE, 3)
    found = proofread(gateway, TEXT, threshold=LOOSE, top_k=3)
    assert list(found) == ["text", "characters", "suspects"]
    assert found["text"] == TEXT
    assert [(one["token_str"], one["start"], one["end"]) for one in found["characters"]] == [
        (one.token_str, one.start, one.end) for one in expected.characters
    ]
    assert [one["score"] for one in found["characters"]] == pytest.approx(
        [one.score for one in expected.characters], rel=1e-3, abs=1e-7
    )
    wrong = next(one for one in found["suspects"] if one["start"] == TEXT.index("真"))
    assert (wrong["token_str"], wrong["end"], wrong["suggestions"][0]["token_str"]) == (
        "真",
        TEXT.index("真") + 1,
        "针",
    )
    assert wrong["score"] < 1e-4
    for ours, theirs in zip(found["suspects"], expected.suspects, strict=True):
        assert [(one["token"], one["token_str"]) for one in ours["suggestions"]] == [
            (one.token, one.token_str) for one in theirs.suggestions
        ]
        assert 1 <= len(ours["suggestions"]) <= 3


def test_the_default_threshold_is_the_clients_and_a_lower_one_finds_fewer(gateway: Gateway, direct: FillMask) -> None:
    threshold = inspect.signature(FillMask.proofread).parameters["threshold"].default
    assert ProofreadParameters().threshold == threshold
    default = gateway.answer(PATH, {"inputs": TEXT})
    assert [one["start"] for one in default["suspects"]] == [one.start for one in direct.proofread(TEXT).suspects]
    assert len(proofread(gateway, TEXT, threshold=LOOSE)["suspects"]) > len(default["suspects"])
    assert proofread(gateway, TEXT, threshold=0)["suspects"] == []


def test_a_spacing_gives_the_same_suspects(gateway: Gateway) -> None:
    alone, shared = proofread(gateway, TEXT), proofread(gateway, TEXT, spacing=5)
    assert [one["start"] for one in shared["suspects"]] == [one["start"] for one in alone["suspects"]]
    assert shared["suspects"][0]["score"] == pytest.approx(alone["suspects"][0]["score"], rel=1e-3)
    assert [one["score"] for one in shared["characters"]] != [one["score"] for one in alone["characters"]]


def test_a_list_of_texts_has_a_list_of_answers_in_order(gateway: Gateway) -> None:
    several = proofread(gateway, [RIGHT, TEXT])
    assert [one["text"] for one in several] == [RIGHT, TEXT]
    assert [one["start"] for one in several[1]["suspects"]] == [
        one["start"] for one in proofread(gateway, TEXT)["suspects"]
    ]
    assert [one["text"] for one in proofread(gateway, [TEXT])] == [TEXT]


def test_spans_count_characters_beyond_the_basic_plane_once(gateway: Gateway) -> None:
    found = proofread(gateway, "𠀀😀绵里藏真。", threshold=1)
    assert {one["token_str"]: one["start"] for one in found["characters"]}["真"] == 5


def test_more_characters_than_the_limit_are_413_and_exactly_as_many_are_answered(
    start: Start, serving_url: str
) -> None:
    small = start(serving_url, f"--max-proofread-characters={len(TEXT)}")
    small.wait_until_ready()
    assert proofread(small, TEXT)["text"] == TEXT
    for inputs in (f"{TEXT}好", [TEXT, "好"]):
        status, kind, error = refusal(small.post(PATH, {"inputs": inputs}))
        assert (status, kind) == (413, "TooManyCharactersError")
        assert error == "inputs has 17 characters, this gateway proofreads 16 at a time; split them"
    metrics = small.metrics()
    assert metrics[f'gateway_sentences_total{{status="success",task="{TASK}"}}'] == 1
    assert metrics['gateway_requests_total{path="/v1/proofread",status="413"}'] == 2


def test_the_other_limits_hold_too(start: Start, serving_url: str) -> None:
    small = start(serving_url, "--max-batch=2", "--max-top-k=3", "--max-answer-bytes=5000")
    small.wait_until_ready()
    status, kind, error = refusal(small.post(PATH, {"inputs": ["好"] * 3}))
    assert (status, kind, "takes 2 at a time" in error) == (413, "BatchTooLargeError", True)
    status, _, error = refusal(small.post(PATH, {"inputs": TEXT, "parameters": {"top_k": 4}}))
    assert (status, "top_k is 4, this gateway takes 3 at most" in error) == (400, True)
    status, kind, error = refusal(small.post(PATH, {"inputs": TEXT, "parameters": {"top_k": 3}}))
    assert (status, kind, "the limit is 5000" in error) == (413, "AnswerTooLargeError", True)
    assert proofread(small, TEXT, top_k=2)["text"] == TEXT


def test_an_answer_that_takes_too_long_is_504_and_says_what_to_do(start: Start, serving_url: str) -> None:
    hasty = start(serving_url, "--answer-timeout-s=0.01")
    hasty.wait_until_ready()
    status, kind, error = refusal(hasty.post(PATH, {"inputs": TEXT * 20, "parameters": {"truncate": True}}))
    assert (status, kind) == (504, "AnswerTimeoutError")
    assert error.endswith(
        "took longer than 0.01 s; ask for fewer candidates, sentences, masks or characters per request"
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"inputs": []}, "inputs: list should have at least 1 item"),
        ({"inputs": TEXT, "parameters": {"threshold": 2}}, "threshold: input should be less than or equal to 1"),
        ({"inputs": TEXT, "parameters": {"threshold": "0.1"}}, "threshold: input should be a valid number"),
        ({"inputs": TEXT, "parameters": {"spacing": 1}}, "spacing: input should be greater than or equal to 2"),
        ({"inputs": TEXT, "parameters": {"top_k": 0}}, "top_k: input should be greater than or equal to 1"),
        ({"inputs": TEXT, "parameters": {"treshold": 0.1}}, "unknown field; did you mean threshold?"),
    ],
)
def test_json_of_another_shape_is_422_and_names_the_field(gateway: Gateway, document: Any, words: str) -> None:
    status, _, error = refusal(gateway.post(PATH, document))
    assert (status, words in error) == (422, True), error


def test_a_text_that_is_too_long_names_the_fields_option_which_shortens_it(gateway: Gateway) -> None:
    long = TEXT * 40
    status, kind, error = refusal(gateway.post(PATH, {"inputs": long}))
    assert (status, kind) == (400, "InputError")
    assert '"parameters": {"truncate": true}' in error
    status, _, error = refusal(gateway.post(PATH, {"inputs": [RIGHT, " "]}))
    assert (status, error.startswith("text 2 of 2: the text is empty")) == (400, True)


def test_a_version_without_the_signature_is_501(scripted: Gateway) -> None:
    assert refusal(scripted.post(PATH, {"inputs": RIGHT}))[:2] == (501, "SignatureNotFoundError")


def test_each_text_has_a_line_with_the_suggested_characters_and_is_counted(gateway: Gateway) -> None:
    before = gateway.metrics()
    asked = gateway.post(PATH, {"inputs": [TEXT, RIGHT], "parameters": {"threshold": LOOSE}})
    first, second = gateway.wait_for_lines(2, request_id=asked.headers["x-request-id"])
    assert (first["task"], first["path"], first["status"], first["batch_size"]) == (TASK, PATH, "success", 2)
    assert (first["input_text"], second["input_text"]) == (TEXT, RIGHT)
    assert (first["sentences"], first["calls"]) == (1, 0.5)
    best = [one["suggestions"][0] for one in asked.json()[0]["suspects"]]
    assert first["predicted_token"] == " ".join(one["token_str"] for one in best)
    assert first["score"] == pytest.approx(min(one["score"] for one in best), rel=1e-5)
    assert 0 < first["inference_time_ms"] <= first["total_time_ms"]
    checked = [len(one["characters"]) for one in asked.json()]
    assert [first["characters"], second["characters"]] == checked == [len(TEXT), len(RIGHT)]
    series = f'gateway_sentences_total{{status="success",task="{TASK}"}}'
    assert gateway.metrics()[series] == before[series] + 2
