"""Proofreading equals single questions, in few requests."""

import inspect
import math
import re
from typing import Any

import pytest
from bert_mlm_client import AsyncFillMask, FillMask, InputError, Proofreading
from bert_mlm_client.cli.parser import build_parser
from bert_mlm_client.exchanges import proofread
from bert_mlm_client.exchanges.rows import best_tokens
from bert_mlm_client.transport import AsyncInProcess

from tests.client.exchanges.table_model import MASK, TOKENS, TableModel, ids

TEXT = "一 AB[MASK]二abc，鸟三"
PIECES = ("一", "ab", "二", "ab", "##c", "，", "三")
SPANS = [(0, 1), (2, 4), (10, 11), (11, 13), (13, 14), (14, 15), (16, 17)]
ROW = ids("一", "ab", "[MASK]", "二", "ab", "##c", "，", "[UNK]", "三")
PLACES = (1, 2, 4, 5, 6, 7, 9)
CHINESE = "一二三四"


def one_by_one(client: FillMask, text: str) -> list[dict[str, float]]:
    """Return each token's candidates by a question of its own."""
    return [
        {one.token_str: one.score for one in client.fill(f"{text[:place]}[MASK]{text[place + 1 :]}", top_k=len(TOKENS))}
        for place in range(len(text))
    ]


def test_each_token_is_scored_with_itself_alone_masked(client: FillMask, table: TableModel) -> None:
    answer = client.proofread(TEXT)
    assert answer.text == TEXT
    assert tuple(one.token_str for one in answer.characters) == PIECES
    assert [(one.start, one.end) for one in answer.characters] == SPANS
    expected = [table.probabilities((*ROW[:place], MASK, *ROW[place + 1 :]), place)[ROW[place]] for place in PLACES]
    assert [one.score for one in answer.characters] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("threshold", [0.01, 0.1, 1.0])
def test_the_answer_is_that_of_single_questions(client: FillMask, threshold: float) -> None:
    text = "一二三四，四四二一三"
    answer = client.proofread(text, threshold, top_k=2)
    questions = one_by_one(client, text)
    assert [one.score for one in answer.characters] == pytest.approx(
        [scores[character] for character, scores in zip(text, questions, strict=True)], rel=1e-5
    )
    expected = {}
    for place, (character, scores) in enumerate(zip(text, questions, strict=True)):
        better = [one for one in scores if one in CHINESE and scores[one] > scores[character]]
        if character in CHINESE and scores[character] < threshold and better:
            expected[place] = better[:2]
    assert {one.start: [each.token_str for each in one.suggestions] for one in answer.suspects} == expected
    assert 0 < len(expected) < len(text)
    for suspect in answer.suspects:
        assert (suspect.token_str, suspect.end) == (text[suspect.start], suspect.start + 1)
        scores = questions[suspect.start]
        assert suspect.score == pytest.approx(scores[suspect.token_str], rel=1e-5)
        assert [each.score for each in suspect.suggestions] == pytest.approx(
            [scores[each.token_str] for each in suspect.suggestions], rel=1e-5
        )
        assert [TOKENS[each.token] for each in suspect.suggestions] == [each.token_str for each in suspect.suggestions]


def test_punctuation_words_and_masks_are_never_suspects(client: FillMask) -> None:
    for number in range(20):
        text = f"{CHINESE[number % 4]}{TEXT}{CHINESE[number // 4 % 4]}"
        for suspect in client.proofread(text, 1.0, top_k=len(TOKENS)).suspects:
            assert suspect.token_str in CHINESE
            assert {one.token_str for one in suspect.suggestions} <= set(CHINESE) - {suspect.token_str}


def test_the_most_probable_character_is_no_suspect(client: FillMask) -> None:
    [best] = [one for one in client.fill("一二[MASK]四", top_k=len(TOKENS)) if one.token_str in CHINESE][:1]
    answer = client.proofread(best.sequence, 1.0)
    assert 2 not in [one.start for one in answer.suspects]


def test_texts_share_requests_and_only_improbable_characters_ask_for_candidates(
    client: FillMask, table: TableModel
) -> None:
    answers = client.proofread(["一二三", "四三二一", "，", "ab"], 1.0)
    assert [len(one.characters) for one in answers] == [3, 4, 1, 1]
    assert [(signature, len(inputs["lengths"])) for signature, inputs in table.questions()] == [
        ("score_tokens", 9),
        ("fill_mask", 7),
    ]
    table.asked.clear()
    assert client.proofread("一二三", 0.0).suspects == ()
    assert [signature for signature, _ in table.questions()] == ["score_tokens"]


def test_several_texts_are_answered_as_each_alone(client: FillMask) -> None:
    texts = ["一二三", "四三二一ab，", "三" * 30, "ab"]
    together = client.proofread(texts, 0.1)
    for text, answer in zip(texts, together, strict=True):
        alone = client.proofread(text, 0.1)
        assert answer.text == alone.text
        assert [one.token_str for one in answer.characters] == [one.token_str for one in alone.characters]
        assert [one.start for one in answer.suspects] == [one.start for one in alone.suspects]
        assert [one.score for one in answer.characters] == pytest.approx([one.score for one in alone.characters])


def test_more_rows_than_fit_in_memory_are_asked_in_turn(
    client: FillMask, table: TableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["一二三四", "四三二一"]
    whole = client.proofread(texts, 0.1)
    table.asked.clear()
    monkeypatch.setattr(inspect.getmodule(proofread), "ROWS_AT_ONCE", 3)
    assert client.proofread(texts, 0.1) == whole
    rows = [len(inputs["lengths"]) for signature, inputs in table.questions() if signature == "score_tokens"]
    assert rows == [3, 3, 2]


def test_with_a_spacing_a_text_takes_that_many_rows(client: FillMask, table: TableModel) -> None:
    text = "一二三四，四四二一三ab二一"
    answer = client.proofread(text, 0.0, spacing=4)
    [(signature, inputs)] = table.questions()
    assert (signature, len(inputs["lengths"])) == ("score_tokens", 4)
    assert set(inputs["mask_positions"].ravel().tolist()) == set(range(1, 14))
    row = ids(*"一二三四，四四二一三", "ab", *"二一")
    for place, one in enumerate(answer.characters):
        masked = tuple(MASK if (other - place) % 4 == 0 else token for other, token in enumerate(row[1:-1]))
        expected = table.probabilities((row[0], *masked, row[-1]), place + 1)[row[place + 1]]
        assert one.score == pytest.approx(expected, rel=1e-5)
    assert answer.suspects == ()


@pytest.mark.parametrize("threshold", [0.01, 0.1, 1.0])
def test_suspects_found_with_a_spacing_are_scored_alone(client: FillMask, threshold: float) -> None:
    text = "一二三四，四四二一三"
    alone = {one.start: one for one in client.proofread(text, threshold).suspects}
    found = client.proofread(text, threshold, spacing=3).suspects
    assert 0 < len(found) <= len(alone)
    for suspect in found:
        expected = alone[suspect.start]
        assert suspect.score == pytest.approx(expected.score, rel=1e-5)
        assert [one.token_str for one in suspect.suggestions] == [one.token_str for one in expected.suggestions]


def test_a_spacing_longer_than_the_text_masks_one_token_at_a_time(client: FillMask) -> None:
    assert client.proofread(TEXT, 0.1, spacing=50) == client.proofread(TEXT, 0.1)


def test_rows_with_many_masks_are_spread_over_requests(
    client: FillMask, table: TableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = client.proofread("一二三四" * 9, 0.0, spacing=2)
    table.asked.clear()
    monkeypatch.setattr(inspect.getmodule(best_tokens), "MAX_MASKS", 35)
    assert client.proofread("一二三四" * 9, 0.0, spacing=2) == whole
    assert [inputs["mask_positions"].shape for _, inputs in table.questions()] == [(1, 18), (1, 18)]


def test_answers_that_a_server_padded_are_read_alike(client: FillMask) -> None:
    with TableModel(wider=3).client() as wider:
        assert wider.proofread(TEXT, 0.1) == client.proofread(TEXT, 0.1)


def test_a_text_without_anything_to_check_takes_no_request(client: FillMask, table: TableModel) -> None:
    assert client.proofread("鸟[MASK]") == Proofreading("鸟[MASK]", (), ())
    assert client.proofread([]) == []
    assert not table.questions()


def test_a_long_text_is_truncated_at_the_end_if_asked(client: FillMask) -> None:
    text = "一二" * 30
    with pytest.raises(InputError, match="the text is 62 tokens long"):
        client.proofread(text)
    answer = client.proofread(text, truncate=True)
    assert answer.text == text
    assert [one.start for one in answer.characters] == list(range(38))


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ("", {}, "the text is empty; write a sentence"),
        ("\u200b", {}, "the text has spaces and invisible characters only"),
        (["一", " "], {}, "text 2 of 2: the text is empty"),
        ("一", {"threshold": 1.5}, "the threshold is 1.5; give a probability from 0 to 1"),
        ("一", {"threshold": -0.1}, "the threshold is -0.1"),
        ("一", {"threshold": math.nan}, "the threshold is nan"),
        ("一", {"top_k": 0}, "top_k is 0; ask for 1 candidate or more"),
        ("一", {"spacing": 1}, "the spacing is 1; give 2 or more, or None to mask one token at a time"),
        ([None], {}, "a text must be a str, not NoneType"),
    ],
)
def test_invalid_arguments_are_rejected_before_any_question(
    client: FillMask, table: TableModel, texts: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        client.proofread(texts, **options)
    assert not table.questions()


def test_more_suggestions_than_the_model_returns_are_rejected() -> None:
    with (
        TableModel(top_k=3).client() as client,
        pytest.raises(InputError, match="top_k is 4, this model answers with 3"),
    ):
        client.proofread("一二三四", 1.0, top_k=4)


@pytest.mark.parametrize("texts", [TEXT, ["一二三", "四三二一ab"]])
async def test_asyncio_gives_the_same_answer(client: FillMask, table: TableModel, texts: Any) -> None:
    async with AsyncFillMask(AsyncInProcess(table)) as asynchronous:
        assert await asynchronous.proofread(texts, 0.1, 2) == client.proofread(texts, 0.1, 2)
        assert await asynchronous.proofread(texts, 0.1, 2, spacing=2) == client.proofread(texts, 0.1, 2, spacing=2)


def test_the_default_threshold_is_the_commands() -> None:
    default = inspect.signature(FillMask.proofread).parameters["threshold"].default
    assert inspect.signature(AsyncFillMask.proofread).parameters["threshold"].default == default
    assert build_parser().parse_args(["proofread", "一"]).threshold == default
