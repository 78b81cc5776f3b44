"""Joint filling finds the most probable words in few requests."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from bert_mlm_client import FillMask, InputError
from bert_mlm_client.drive import drive
from bert_mlm_client.exchanges import MAX_FILLINGS, fill_words
from bert_mlm_client.transport import Answer, Request
from bert_mlm_client.wire.tensors import Array
from numpy.typing import NDArray

from tests.client.exchanges.table_model import MASK, TOKENS, TableModel

SIZE = len(TOKENS)
SPECIAL = range(5)


def likelihood(table: TableModel, row: tuple[int, ...], tokens: tuple[int, ...]) -> float:
    """Compute the chain rule's mean over both orders of the gaps."""
    masks = [place for place, one in enumerate(row) if one == MASK]
    gaps: list[list[int]] = []
    for number, place in enumerate(masks):
        if number and masks[number - 1] == place - 1:
            gaps[-1].append(number)
        else:
            gaps.append([number])
    probabilities = []
    for order in (gaps, gaps[::-1]):
        filled, probability = list(row), 1.0
        for number in itertools.chain.from_iterable(order):
            probability *= table.probabilities(filled, masks[number])[tokens[number]]
            filled[masks[number]] = tokens[number]
        probabilities.append(probability)
    return math.log(sum(probabilities) / 2)


def ranked(table: TableModel, row: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All fillings without special tokens and repeated sentences, best first."""
    every = itertools.product(set(range(SIZE)) - set(SPECIAL), repeat=row.count(MASK))
    return sorted(every, key=lambda tokens: -likelihood(table, row, tokens))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("text", "width"), [("一[MASK][MASK]二", SIZE**2), ("[MASK]一[MASK]三[MASK]", SIZE**3)])
def test_a_wide_beam_equals_exhaustive_search(seed: int, text: str, width: int) -> None:
    table = TableModel(seed)
    tokenizer = table.client().tokenizer()

    def answer(requests: Sequence[Request]) -> list[Answer]:
        return [Answer(table.run(request.signature, request.inputs, request.outputs)) for request in requests]

    [fillings] = drive(fill_words(tokenizer, [text], 5, width=width), answer)
    row = tokenizer.encode(text).input_ids
    assert [filling.tokens for filling in fillings] == ranked(table, row)[:5]
    assert fillings[0].log_likelihood == pytest.approx(likelihood(table, row, fillings[0].tokens), rel=1e-5)


def test_the_usual_beam_finds_the_best_of_a_small_vocabulary(client: FillMask, table: TableModel) -> None:
    text = "一[MASK][MASK][MASK]二"
    best = ranked(table, client.tokenizer().encode(text).input_ids)[0]
    assert client.fill_words(text)[0].tokens == best


@pytest.mark.parametrize(
    "text", ["一[MASK]", "一[MASK][MASK][MASK]", "一[MASK]二[MASK][MASK]", "[MASK]一[MASK]二[MASK]"]
)
def test_the_score_is_the_probability_of_all_words_by_the_chain_rule(
    client: FillMask, table: TableModel, text: str
) -> None:
    row = client.tokenizer().encode(text).input_ids
    for filling in client.fill_words(text):
        assert filling.log_likelihood == pytest.approx(likelihood(table, row, filling.tokens), rel=1e-5)
        assert filling.score == pytest.approx(math.exp(filling.log_likelihood))


@pytest.mark.parametrize("text", ["一[MASK][MASK]二", "[MASK]一[MASK]"])
def test_the_scores_of_all_fillings_add_up_to_1(client: FillMask, table: TableModel, text: str) -> None:
    row = client.tokenizer().encode(text).input_ids
    every = list(itertools.product(range(SIZE), repeat=2))
    assert sum(math.exp(likelihood(table, row, tokens)) for tokens in every) == pytest.approx(1)
    assert sum(filling.score for filling in client.fill_words(text, SIZE)) < 1


@pytest.mark.parametrize("text", ["一[MASK][MASK]二", "[MASK]一[MASK]", "[MASK]一[MASK][MASK]二[MASK]"])
def test_score_gives_the_same_log_likelihood(client: FillMask, text: str) -> None:
    fillings = [one for one in client.fill_words(text, SIZE) if TOKENS.index("##c") not in one.tokens]
    scored = client.score(text, [filling.words for filling in fillings])
    assert len(fillings) >= 3
    for one, other in zip(fillings, scored, strict=True):
        assert one.tokens == other.tokens
        assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-5)
        assert (one.words, one.sequence) == (other.words, other.sequence)


def test_one_mask_is_filled_as_without_joint_but_for_special_tokens(client: FillMask) -> None:
    together = client.fill_words("一[MASK]二", SIZE)
    alone = [one for one in client.fill("一[MASK]二", SIZE) if one.token not in SPECIAL]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone])
    assert [(one.token_str, one.sequence) for one in together] == [(one.token_str, one.sequence) for one in alone]


def test_masks_side_by_side_are_one_word(client: FillMask) -> None:
    for filling in client.fill_words("一[MASK][MASK]二[MASK]"):
        texts = [TOKENS[token] for token in filling.tokens]
        first, second = filling.words
        assert first.replace(" ", "") == texts[0] + texts[1].removeprefix("##")
        assert second == texts[2]
        assert filling.sequence == f"一{first.removeprefix('##')}二{second.removeprefix('##')}"
        assert filling.token_str == f"{first} {second}"


@pytest.mark.parametrize("masks", [1, 2, 4])
def test_one_gap_takes_a_request_for_each_mask(client: FillMask, table: TableModel, masks: int) -> None:
    client.fill_words("一" + "[MASK]" * masks)
    assert len(table.questions()) == masks


@pytest.mark.parametrize("masks", [2, 3, 4])
def test_several_gaps_take_one_more_request(masks: int) -> None:
    table = TableModel(top_k=5)  # of 12
    with table.client() as client:
        client.fill_words("一[MASK]" * masks)
    signatures = [signature for signature, _ in table.questions()]
    assert signatures == ["fill_mask"] * masks + ["score_tokens"]


def test_texts_are_filled_together_as_each_alone(client: FillMask, table: TableModel) -> None:
    texts = ["一[MASK][MASK]", "[MASK]", "[MASK]二[MASK]三[MASK]"]
    together = client.fill_words(texts, 3)
    assert len(table.questions()) == 4
    for text, fillings in zip(texts, together, strict=True):
        for filling, alone in zip(fillings, client.fill_words(text, 3), strict=True):
            assert filling.tokens == alone.tokens
            assert filling.score == pytest.approx(alone.score, rel=1e-5)


@pytest.mark.parametrize("text", ["[MASK][MASK]一", "[MASK]一[MASK]", "[MASK]一[MASK]二[MASK][MASK]"])
def test_smaller_top_k_is_a_prefix_with_the_same_requests(client: FillMask, table: TableModel, text: str) -> None:
    most = client.fill_words(text, SIZE)
    rows = [inputs["input_ids"].tolist() for _, inputs in table.questions()]
    for top_k in range(1, SIZE):
        table.asked.clear()
        assert client.fill_words(text, top_k) == most[:top_k]
        assert [inputs["input_ids"].tolist() for _, inputs in table.questions()] == rows


def test_answers_are_best_first_and_limited_by_the_search() -> None:
    tokens = 100

    class Wide(TableModel):
        """A model that declares more candidates than it has."""

        def _fill_mask(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            answer = super()._fill_mask(inputs)
            rest = ((0, 0), (0, 0), (0, tokens - SIZE))
            return {"token_ids": np.pad(answer["token_ids"], rest), "scores": np.pad(answer["scores"], rest)}

    with Wide().client() as client:
        fillings = client.fill_words("[MASK][MASK]一", tokens)
    scores = [filling.score for filling in fillings]
    assert scores == sorted(scores, reverse=True)
    assert SIZE < len(fillings) <= MAX_FILLINGS


def test_punctuation_counts_as_any_token_unless_it_is_left_out(client: FillMask) -> None:
    comma = TOKENS.index("，")
    assert any(comma in filling.tokens for filling in client.fill_words("[MASK][MASK]一", SIZE))
    without = client.fill_words("[MASK][MASK]一", SIZE, skip_punctuation=True)
    assert without
    assert not any(comma in filling.tokens for filling in without)


def test_special_tokens_are_never_answers() -> None:
    class Unknown(TableModel):
        def _at_masks(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
            found = super()._at_masks(inputs)
            found[..., list(SPECIAL)] += 1
            return found

    with Unknown().client() as client:
        for text in ("[MASK][MASK]一", "[MASK]一[MASK]"):
            fillings = client.fill_words(text, 5)
            assert len(fillings) == 5
            assert not any(set(SPECIAL) & set(filling.tokens) for filling in fillings)


def test_equal_sentences_keep_the_best_filling() -> None:
    tokens = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"一二三", "##一", "##二", "##三", "##c")

    class Pieces(TableModel):
        def _tokenizer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            answer = super()._tokenizer(inputs)
            vocab = "\n".join(tokens).encode()
            config = json.loads(answer["config"][0]) | {"vocab_sha256": hashlib.sha256(vocab).hexdigest()}
            return {"vocab": np.array([vocab], object), "config": np.array([json.dumps(config).encode()], object)}

    with Pieces().client() as client:
        fillings = client.fill_words("[MASK][MASK]一", SIZE)
    assert len({filling.sequence for filling in fillings}) == len(fillings)
    assert any(tokens[token].startswith("##") for filling in fillings for token in filling.tokens)
    scores = [filling.score for filling in fillings]
    assert scores == sorted(scores, reverse=True)


def test_masks_with_only_punctuation_have_no_filling() -> None:
    class Stop(TableModel):
        def _at_masks(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
            found = super()._at_masks(inputs)
            found[..., TOKENS.index("，")] = 1
            return found

    with Stop(top_k=1).client() as client:
        assert client.fill_words("[MASK][MASK]一", 1, skip_punctuation=True) == []
        assert client.fill_words(["[MASK]一", "[MASK][MASK]"], 1, skip_punctuation=True) == [[], []]


def test_top_k_beyond_the_servers_limit_is_rejected(client: FillMask) -> None:
    with pytest.raises(InputError, match=f"top_k is {SIZE + 1}, this model answers with {SIZE}"):
        client.fill_words("[MASK]一", SIZE + 1)


def test_no_texts_have_no_answers(client: FillMask, table: TableModel) -> None:
    assert client.fill_words([]) == []
    assert not table.questions()
