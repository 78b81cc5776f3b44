"""Which tokens an answer leans on, and where they stand in the user's text."""

import math

import pytest
from bert_mlm_client import Explanation, FillMask, InputError, Prediction, TokenWeight

from tests.client.exchanges.table_model import MASK, TOKENS, TableModel, ids

TEXT = "一 AB[MASK]二abc，"
PIECES = ("一", "ab", "二", "ab", "##c", "，")
SPANS = [(0, 1), (2, 4), (10, 11), (11, 13), (13, 14), (14, 15)]
ROW = ids("一", "ab", "[MASK]", "二", "ab", "##c", "，")
PLACES = (1, 2, 4, 5, 6, 7)


def explain(client: FillMask, text: str, method: str = "occlusion") -> Explanation:
    explanation = client.explain(text, method=method)  # type: ignore[arg-type]  # parametrised
    assert isinstance(explanation, Explanation)
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
    assert isinstance(explanations, list)
    best = [mask[0] for mask in client.fill(text, top_k=1) if isinstance(mask, list)]
    assert [explanation.prediction for explanation in explanations] == best
    assert [[weight.span for weight in explanation.weights] for explanation in explanations] == [[(6, 7), (13, 14)]] * 2


def test_occlusion_takes_two_round_trips(client: FillMask, table: TableModel) -> None:
    client.explain("一二[MASK]三四")
    assert [(signature, len(inputs["lengths"])) for signature, inputs in table.questions()] == [
        ("fill_mask", 1),
        ("score_tokens", 4),
    ]


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_a_mask_alone_leans_on_nothing(client: FillMask, method: str) -> None:
    assert explain(client, "[MASK]", method).weights == ()


def test_a_truncated_text_is_explained_by_what_the_model_read(client: FillMask) -> None:
    text = "一" * 60 + "[MASK]"
    explanation = client.explain(text, truncate=True)
    assert isinstance(explanation, Explanation)
    assert [weight.span for weight in explanation.weights] == [(place, place + 1) for place in range(23, 60)]


def test_an_unknown_method_is_refused_before_anything_is_asked(client: FillMask, table: TableModel) -> None:
    with pytest.raises(InputError, match="there is no method 'gradient'; explain by one of occlusion, attention"):
        client.explain("[MASK]", method="gradient")  # type: ignore[arg-type]  # which is what is tested
    assert not table.asked


def test_top_is_the_heaviest_first() -> None:
    weights = tuple(TokenWeight(name, weight, (0, 1)) for name, weight in zip("abcd", (0.5, -2, 3, 1), strict=True))
    explanation = Explanation("", "occlusion", Prediction(1, 1, "", ""), weights)
    assert [weight.token_str for weight in explanation.top()] == ["c", "d", "a"]
    assert [weight.token_str for weight in explanation.top(1)] == ["c"]
    assert len(explanation.top(9)) == 4
