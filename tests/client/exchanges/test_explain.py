"""Explanations by occlusion and attention, with spans in the user's text."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from bert_mlm_client import Explanation, Filling, FillMask, InputError, Prediction, TokenWeight
from bert_mlm_client.exchanges import attribution

from tests.client.exchanges.table_model import MASK, TOKENS, LookingModel, TableModel, ids

TEXT = "一 AB[MASK]二abc，"
PIECES = ("一", "ab", "二", "ab", "##c", "，")
SPANS = [(0, 1), (2, 4), (10, 11), (11, 13), (13, 14), (14, 15)]
ROW = ids("一", "ab", "[MASK]", "二", "ab", "##c", "，")
PLACES = (1, 2, 4, 5, 6, 7)


def explain(client: FillMask, text: str, method: str = "occlusion", target: str | None = None) -> Explanation:
    [explanation] = client.explain(text, method=method, target=target)  # type: ignore[arg-type]  # parametrised
    return explanation


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_weights_are_one_a_token_in_the_texts_order_without_special_tokens_and_masks(
    client: FillMask, method: str
) -> None:
    explanation = explain(client, TEXT, method)
    assert (explanation.text, explanation.method) == (TEXT, method)
    assert tuple(weight.token_str for weight in explanation.weights) == PIECES
    assert [weight.span for weight in explanation.weights] == SPANS


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_the_explained_answer_is_that_of_fill(client: FillMask, method: str) -> None:
    [best] = client.fill(TEXT, top_k=1)
    assert explain(client, TEXT, method).prediction == best


def test_occlusion_weighs_a_token_by_what_the_answer_loses_without_it(client: FillMask, table: TableModel) -> None:
    explanation = explain(client, TEXT)
    assert isinstance(explanation.prediction, Prediction)
    answer, position = explanation.prediction.token, ROW.index(MASK)
    whole = math.log(table.probabilities(ROW, position)[answer])
    expected = [
        whole - math.log(table.probabilities((*ROW[:place], MASK, *ROW[place + 1 :]), position)[answer])
        for place in PLACES
    ]
    assert [weight.weight for weight in explanation.weights] == pytest.approx(expected, abs=1e-4)
    assert min(expected) < 0 < max(expected)


def test_attention_weighs_a_token_by_the_last_layers_attention(client: FillMask) -> None:
    weights = explain(client, TEXT, "attention").weights
    assert [weight.weight for weight in weights] == [TOKENS.index(piece) for piece in PIECES]


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_several_masks_have_an_explanation_each(client: FillMask, method: str) -> None:
    text = "[MASK]一[MASK]二"
    explanations = client.explain(text, method=method)  # type: ignore[arg-type]  # parametrised
    best = [mask[0] for mask in client.fill_masks(text, top_k=1)]
    assert [explanation.prediction for explanation in explanations] == best
    assert [[weight.span for weight in explanation.weights] for explanation in explanations] == [[(6, 7), (13, 14)]] * 2


def masked(row: Sequence[int], *places: int) -> tuple[int, ...]:
    """Return the row with more masks."""
    return tuple(MASK if place in places else token for place, token in enumerate(row))


def chain(table: TableModel, row: Sequence[int], first: int, word: Sequence[int]) -> float:
    """Return a word's log-likelihood from left to right, by the definition."""
    logs = []
    for number, token in enumerate(word):
        filled = (*row[:first], *word[:number], *row[first + number :])
        logs.append(math.log(table.probabilities(filled, first + number)[token]))
    return sum(logs)


def test_a_target_is_explained_in_place_of_the_best_answer(client: FillMask, table: TableModel) -> None:
    second = client.fill(TEXT, top_k=2)[1]
    explanation = explain(client, TEXT, target=second.token_str)
    assert isinstance(explanation.prediction, Prediction)
    assert replace(explanation.prediction, score=0) == replace(second, score=0)
    assert explanation.prediction.score == pytest.approx(second.score, rel=1e-6)
    position = ROW.index(MASK)
    whole = math.log(table.probabilities(ROW, position)[second.token])
    expected = [whole - math.log(table.probabilities(masked(ROW, place), position)[second.token]) for place in PLACES]
    assert [weight.weight for weight in explanation.weights] == pytest.approx(expected, abs=1e-4)
    assert explanation.weights != explain(client, TEXT).weights


def test_every_candidate_of_fill_but_the_special_tokens_can_be_explained(client: FillMask) -> None:
    for candidate in client.fill(TEXT, top_k=len(TOKENS)):
        if candidate.token_str.startswith("["):
            with pytest.raises(InputError, match="is a special token"):
                client.explain(TEXT, target=candidate.token_str)
        else:
            explanation = explain(client, TEXT, target=candidate.token_str)
            assert replace(explanation.prediction, score=0) == replace(candidate, score=0)


def test_several_masks_have_a_target_each_while_the_others_stay_masked(client: FillMask, table: TableModel) -> None:
    row = ids("[MASK]", "一", "[MASK]", "[MASK]")
    first, second, third = client.explain("[MASK]一[MASK][MASK]", target=["二", "ab", "##c"])
    for explanation, position, token in ((first, 1, "二"), (second, 3, "ab"), (third, 4, "##c")):
        whole = math.log(table.probabilities(row, position)[TOKENS.index(token)])
        without = math.log(table.probabilities(masked(row, 2), position)[TOKENS.index(token)])
        assert explanation.prediction.token_str == token
        assert [weight.weight for weight in explanation.weights] == [pytest.approx(whole - without, abs=1e-4)]


def test_a_word_is_weighed_by_its_log_likelihood_from_left_to_right(client: FillMask, table: TableModel) -> None:
    text, word = "一[MASK][MASK]三", "二四"
    explanation = explain(client, text, target=word)
    row, tokens = ids("一", "[MASK]", "[MASK]", "三"), [TOKENS.index(token) for token in word]
    whole = chain(table, row, 2, tokens)
    expected = [whole - chain(table, masked(row, place), 2, tokens) for place in (1, 4)]
    assert [weight.weight for weight in explanation.weights] == pytest.approx(expected, abs=1e-4)
    [scored] = client.score(text, [word])
    assert isinstance(explanation.prediction, Filling)
    assert explanation.prediction.log_likelihood == pytest.approx(scored.log_likelihood, rel=1e-6)
    assert replace(explanation.prediction, score=0, log_likelihood=0) == replace(scored, score=0, log_likelihood=0)


def test_words_of_several_gaps_leave_the_other_gaps_masked(client: FillMask, table: TableModel) -> None:
    row = ids("[MASK]", "一", "[MASK]", "[MASK]")
    one, two = client.explain("[MASK]一[MASK][MASK]", target=["三", "二四"])
    for explanation, first, word in ((one, 1, "三"), (two, 3, "二四")):
        tokens = [TOKENS.index(token) for token in word]
        expected = chain(table, row, first, tokens) - chain(table, masked(row, 2), first, tokens)
        assert [weight.weight for weight in explanation.weights] == [pytest.approx(expected, abs=1e-4)]
    assert [one.prediction.sequence, two.prediction.sequence] == ["三一[MASK][MASK]", "[MASK]一二四"]


def test_joint_words_are_weighed_in_the_sentence_that_they_make(client: FillMask, table: TableModel) -> None:
    one, two = client.explain("[MASK]一[MASK][MASK]", target=["三", "二四"], joint=True)
    assert [one.prediction.sequence, two.prediction.sequence] == ["三一二四"] * 2
    assert [(weight.token_str, weight.span) for weight in one.weights] == [("一", (6, 7)), ("二四", (7, 19))]
    assert [(weight.token_str, weight.span) for weight in two.weights] == [("三", (0, 6)), ("一", (6, 7))]
    filled = ids("三", "一", "二", "四")
    for explanation, own, others in ((one, (1,), ((2,), (3, 4))), (two, (3, 4), ((1,), (2,)))):
        tokens = [filled[place] for place in own]
        whole = chain(table, masked(filled, *own), own[0], tokens)
        expected = [whole - chain(table, masked(filled, *own, *other), own[0], tokens) for other in others]
        assert [weight.weight for weight in explanation.weights] == pytest.approx(expected, abs=1e-4)
        assert isinstance(explanation.prediction, Filling)
        assert explanation.prediction.log_likelihood == pytest.approx(whole, abs=1e-4)


def test_joint_without_a_target_explains_what_fill_finds_jointly(client: FillMask, table: TableModel) -> None:
    text = "[MASK]一[MASK][MASK]二"
    [best] = client.fill_words(text, top_k=1)
    one, two = client.explain(text, joint=True)
    assert isinstance(one.prediction, Filling)
    assert isinstance(two.prediction, Filling)
    assert (*one.prediction.tokens, *two.prediction.tokens) == best.tokens
    assert (*one.prediction.words, *two.prediction.words) == best.words
    assert one.prediction.sequence == two.prediction.sequence == best.sequence
    row, own = (TOKENS.index("[CLS]"), best.tokens[0], *ids("一")[1:2], *best.tokens[1:], *ids("二")[1:]), (3, 4)
    whole = chain(table, masked(row, *own), 3, best.tokens[1:])
    expected = [whole - chain(table, masked(row, *own, place), 3, best.tokens[1:]) for place in (1, 2, 5)]
    assert [weight.weight for weight in two.weights] == pytest.approx(expected, abs=1e-4)


def test_attention_to_a_word_in_another_gap_is_the_sum_over_its_tokens(client: FillMask) -> None:
    one, _ = client.explain("[MASK]一[MASK][MASK]", target=["三", "二四"], joint=True, method="attention")
    by_id = [TOKENS.index("一"), TOKENS.index("二") + TOKENS.index("四")]
    assert [weight.weight for weight in one.weights] == by_id


@pytest.mark.parametrize(
    ("text", "options", "requests"),
    [
        ("一二[MASK]三四", {}, [("fill_mask", 1), ("score_tokens", 4)]),
        ("一二[MASK]三四", {"target": "一"}, [("score_tokens", 5)]),
        ("[MASK]二[MASK]三[MASK]", {"target": ["一", "二", "一"]}, [("score_tokens", 3)]),
        (
            "[MASK]二[MASK]三[MASK]",
            {"target": ["一", "二", "一"], "method": "attention"},
            [("score_tokens", 1), ("explain", 1)],
        ),
        ("一[MASK][MASK]三", {"target": "二四"}, [("score_tokens", 2 * (2 + 1))]),
        (
            "[MASK]一[MASK][MASK]",
            {"target": ["三", "二四"], "joint": True},
            [("score_tokens", 3 * (1 + 2) - 1)],
        ),  # one shared
    ],
)
def test_an_explanation_takes_a_known_number_of_requests_and_rows(
    client: FillMask, table: TableModel, text: str, options: dict[str, Any], requests: list[tuple[str, int]]
) -> None:
    client.explain(text, **options)
    assert [(signature, len(inputs["lengths"])) for signature, inputs in table.questions()] == requests


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (
            "[MASK]一",
            "二四",
            "'二四' has 2 tokens for 1 [MASK]; give it 2 [MASK]s side by side, or name a word of 1 token",
        ),
        ("[MASK][MASK]一", "二", "'二' has 1 token for 2 [MASK]s; give it 1 [MASK], or name a word of 2 tokens"),
        ("[MASK]一", "鸟", "'鸟' has '鸟', which is not in the model's vocabulary"),
        ("[MASK]一", "[UNK]", "'[UNK]' is a special token; name the word to explain"),
        ("[MASK]一", "[MASK]", "'[MASK]' is a special token"),
        ("[MASK]一", "", "'' is empty"),
        ("[MASK]一[MASK]", "二", "1 target for 2 [MASK]s in 2 gaps; give a word for each gap"),
        (
            "[MASK]一[MASK][MASK]",
            ["二"],
            "1 target for 3 [MASK]s in 2 gaps; give a token for each [MASK], or a word for",
        ),
        ("[MASK]一", [], "0 targets for 1 [MASK] in 1 gap"),
        ("[MASK]一", ["二", "一"], "2 targets for 1 [MASK] in 1 gap; give a word for each gap"),
        ("[MASK]一", [2], "a target must be a str, not int"),
    ],
)
def test_an_unexplainable_target_is_rejected_before_any_request(
    client: FillMask, table: TableModel, text: str, target: Any, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        client.explain(text, target=target)
    assert not table.questions()


def test_joint_targets_are_words_for_the_gaps(client: FillMask) -> None:
    with pytest.raises(InputError, match=re.escape("3 targets for 3 [MASK]s in 2 gaps; give a word for each gap")):
        client.explain("[MASK]一[MASK][MASK]", target=["二", "一", "一"], joint=True)


def test_an_explanation_of_too_many_rows_is_rejected_before_any_request(
    client: FillMask, table: TableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "MAX_EXPLANATION_ROWS", 9)
    client.explain("[MASK]一[MASK][MASK]", target=["三", "二四"], joint=True)
    table.asked.clear()
    with pytest.raises(InputError, match="the explanation takes 12 rows, and the limit is 9; shorten the text"):
        client.explain("[MASK]一[MASK][MASK]二", target=["三", "二四"], joint=True)
    assert not table.questions()


@pytest.mark.parametrize(
    ("text", "on_text", "note"),
    [
        ("一二三[MASK]", 0.0, "100.0%"),
        ("一二三[MASK]", 0.04, "96.0%"),
        ("一二三[MASK]", 0.06, None),  # uniform attention gives 3 of 6 tokens a half, and a tenth of that is 0.05
        ("一二三[MASK]", 0.5, None),
        ("[MASK][MASK][MASK]一", 0.02, None),  # 1 of 6 tokens: a tenth of a sixth
        ("[MASK]", 0.0, None),  # there is no text to attend to
    ],
)  # fmt: skip
def test_attention_on_special_tokens_is_reported(text: str, on_text: float, note: str | None) -> None:
    with LookingModel(on_text=on_text).client() as client:
        notes = {explanation.note for explanation in client.explain(text, method="attention")}
        expected = (
            f"{note} of the last layer's attention rests on [CLS], [SEP] and [MASK], so these weights say nothing"
        )
        assert notes == {note and f"{expected} about the text; explain by occlusion"}
        assert explain(client, "一二三[MASK]").note is None


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_a_mask_alone_has_no_weights(client: FillMask, method: str) -> None:
    assert explain(client, "[MASK]", method).weights == ()


def test_a_truncated_text_is_explained_by_what_the_model_read(client: FillMask) -> None:
    text = "一" * 60 + "[MASK]"
    [explanation] = client.explain(text, truncate=True)
    assert [weight.span for weight in explanation.weights] == [(place, place + 1) for place in range(23, 60)]


def test_an_unknown_method_is_rejected_before_any_request(client: FillMask, table: TableModel) -> None:
    with pytest.raises(InputError, match="unknown method 'gradient'; use one of occlusion, attention"):
        client.explain("[MASK]", method="gradient")  # type: ignore[arg-type]  # the error under test
    assert not table.asked


def test_top_is_the_heaviest_first() -> None:
    weights = tuple(TokenWeight(name, weight, (0, 1)) for name, weight in zip("abcd", (0.5, -2, 3, 1), strict=True))
    explanation = Explanation("", "occlusion", Prediction(1, 1, "", ""), weights)
    assert [weight.token_str for weight in explanation.top()] == ["c", "d", "a"]
    assert [weight.token_str for weight in explanation.top(1)] == ["c"]
    assert len(explanation.top(9)) == 4
