"""Fill masks through both clients over real sockets."""

import asyncio
import hashlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, cast, get_overloads

import numpy as np
import pytest
from bert_mlm_client import AsyncFillMask, FillMask, InputError, Prediction, ProtocolError, VocabularyError
from bert_mlm_client.exchanges import MAX_ROWS
from bert_mlm_client.transport import AsyncInProcess, InProcess

from tests.client.exchanges.table_model import TableModel
from tests.client.scripted import TOKENS, ScriptedModel, best_token

ONE = "中国的首[MASK]是北京。"
TWO = "今天[MASK][MASK]很好"


def ids_of(text: str) -> list[int]:
    """Token ids of a text of single Chinese characters and masks."""
    tokens = ["[CLS]", *text.replace("[MASK]", "\0"), "[SEP]"]
    return [TOKENS.index("[MASK]" if token == "\0" else token) for token in tokens]


def first_choice(text: str, position: int) -> str:
    return TOKENS[best_token(ids_of(text), position, len(TOKENS))]


def test_one_mask_has_its_candidates_best_first(url: str) -> None:
    with FillMask(url) as client:
        answer = client.fill(ONE, top_k=3)
    first = best_token(ids_of(ONE), 5, len(TOKENS))
    tokens = [(first + rank) % len(TOKENS) for rank in range(3)]
    texts = [TOKENS[token] for token in tokens]
    assert answer == [
        Prediction(float(np.float32(1 / (2 + rank))), token, text, f"中国的首{text.removeprefix('##')}是北京。")
        for rank, (token, text) in enumerate(zip(tokens, texts, strict=True))
    ]


def test_several_masks_have_a_list_each_and_stay_in_the_sequence(url: str) -> None:
    with FillMask(url) as client:
        answer = client.fill_masks(TWO, top_k=2)
    best = [mask[0] for mask in answer]
    first, second = first_choice(TWO, 3), first_choice(TWO, 4)
    assert [len(mask) for mask in answer] == [2, 2]
    assert [candidate.sequence for candidate in best] == [
        f"今天{first.removeprefix('##')}[MASK]很好",
        f"今天[MASK]{second.removeprefix('##')}很好",
    ]


def test_the_request_is_the_contract_of_the_fill_mask_signature(url: str, model: ScriptedModel) -> None:
    with FillMask(url, version=1) as client:
        client.fill_masks(TWO)
    [asked] = model.requests("fill_mask")
    assert (asked.model, asked.version) == ("bert_mlm", 1)
    assert {name: array.tolist() for name, array in asked.inputs.items()} == {
        "input_ids": [ids_of(TWO)],
        "lengths": [len(ids_of(TWO))],
        "mask_positions": [[3, 4]],
    }


def test_grpc_requests_are_int32(grpc_url: str, model: ScriptedModel) -> None:
    with FillMask(grpc_url) as client:
        client.fill_masks(TWO)
    assert {array.dtype.name for asked in model.asked for array in asked.inputs.values()} == {"int32"}


def test_many_texts_are_answered_in_order_and_short_ones_share_a_request(url: str, model: ScriptedModel) -> None:
    texts = [ONE, TWO, "北[MASK]", "[MASK]京", "我们去散[MASK]吧", "[MASK][MASK]", "法国首[MASK]是巴黎[MASK]"]
    with FillMask(url) as client:
        together = client.fill_masks(texts, top_k=4)
        requests = model.requests("fill_mask")
        alone = [client.fill_masks(text, top_k=4) for text in texts]
    assert together == alone
    [lengths] = [asked.inputs["lengths"].tolist() for asked in requests]
    assert sorted(lengths) == sorted(len(ids_of(text)) for text in texts)


def test_many_texts_are_sent_in_requests_of_limited_size(url: str, model: ScriptedModel) -> None:
    texts = ["北[MASK]"] * (MAX_ROWS + 1)
    with FillMask(url) as client:
        answers = client.fill(texts)
    assert len(answers) == len(texts)
    assert sorted(len(asked.inputs["lengths"]) for asked in model.requests("fill_mask")) == [1, MAX_ROWS]


def test_masks_of_a_longer_request_in_the_same_batch_are_ignored(url: str, model: ScriptedModel) -> None:
    with FillMask(url) as client:
        expected = client.fill_masks([ONE, TWO])
        model.extra_masks = 3
        assert client.fill_masks([ONE, TWO]) == expected


def test_no_texts_have_no_answers(url: str, model: ScriptedModel) -> None:
    with FillMask(url) as client:
        assert client.fill([]) == []
    assert not model.requests("fill_mask")


def test_the_vocabulary_is_fetched_once_also_by_many_tasks(url: str, model: ScriptedModel) -> None:
    async def ask() -> None:
        async with AsyncFillMask(url) as client:
            await asyncio.gather(*(client.fill(ONE) for _ in range(5)))

    asyncio.run(ask())
    assert len(model.requests("tokenizer")) == 1
    assert len(model.requests("fill_mask")) == 5


@pytest.mark.parametrize("texts", [ONE, TWO, [ONE], [TWO, ONE, "[MASK]京"]])
def test_both_clients_answer_the_same(url: str, texts: str | Sequence[str]) -> None:
    async def ask() -> object:
        async with AsyncFillMask(url) as client:
            return await client.fill_masks(texts, top_k=7)

    with FillMask(url) as client:
        assert client.fill_masks(texts, top_k=7) == asyncio.run(ask())


@pytest.mark.parametrize("texts", ["没有", [ONE, "[MASK"], "[MASK]" * 40])
def test_both_clients_fail_the_same(url: str, texts: str | Sequence[str]) -> None:
    async def ask() -> None:
        async with AsyncFillMask(url) as client:
            await client.fill(texts)

    with FillMask(url) as client, pytest.raises(InputError) as expected:
        client.fill(texts)
    with pytest.raises(InputError) as error:
        asyncio.run(ask())
    assert str(error.value) == str(expected.value)


def signatures(kind: type) -> dict[str, list[str]]:
    """The signatures of a client's methods, without the markers of async."""
    return {
        name: [
            str(inspect.signature(variant)).replace("AsyncTransport", "Transport")
            for variant in (*cast("list[FunctionType]", get_overloads(method)), method)
        ]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") or name == "__init__"
    }


def test_both_clients_have_the_same_methods_with_the_same_parameters_and_answers() -> None:
    assert signatures(FillMask) == signatures(AsyncFillMask)
    assert set(signatures(FillMask)) == {
        "__init__",
        "choose",
        "close",
        "explain",
        "features",
        "fill",
        "fill_masks",
        "fill_words",
        "model_status",
        "proofread",
        "score",
        "similarity",
        "tokenizer",
    }


def test_no_method_takes_or_returns_any() -> None:
    assert not [variant for variants in signatures(FillMask).values() for variant in variants if "Any" in variant]


def test_every_method_of_the_async_client_is_a_coroutine() -> None:
    methods = dict(inspect.getmembers(AsyncFillMask, inspect.isfunction))
    assert all(inspect.iscoroutinefunction(methods[name]) for name in set(signatures(AsyncFillMask)) - {"__init__"})


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("fill", ["一[MASK]二"], {"skip_punctuation": True}),
        ("fill_masks", [["一[MASK]", "[MASK][MASK]二"], 2], {"skip_punctuation": True}),
        ("fill_words", [["一[MASK]", "[MASK][MASK]二"], 2], {}),
        ("choose", ["一[MASK]二", ["三", "四四"], 1], {}),
        ("score", ["一[MASK]二", ["三", "四四"]], {}),
        ("explain", ["一[MASK]二[MASK]"], {}),
        ("explain", ["一[MASK]二"], {"method": "attention"}),
        ("explain", ["一[MASK]二[MASK][MASK]"], {"target": ["三", "四四"], "joint": True}),
        ("model_status", [], {}),
    ],
)
def test_both_clients_answer_every_method_the_same(method: str, arguments: list[Any], options: dict[str, Any]) -> None:
    table = TableModel()

    async def ask() -> object:
        async with AsyncFillMask(AsyncInProcess(table)) as client:
            return await getattr(client, method)(*arguments, **options)

    with FillMask(InProcess(table)) as client:
        assert getattr(client, method)(*arguments, **options) == asyncio.run(ask())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("一", None),
        (["高兴", "快乐"], None),
        ([("一", "二"), "三四"], None),
        ([("一",)], None),
        ([("一", "二")], "三"),
        ([("一", "")], None),
        ("一", "\0"),
        ("", "一"),
    ],
)
def test_invalid_similarity_pairs_are_rejected_before_any_request(a: Any, b: str | None) -> None:
    table = TableModel()
    with FillMask(InProcess(table)) as client, pytest.raises(InputError):
        client.similarity(a, b)
    assert not table.asked


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("fill_words", "没有"),
        ("choose", ["一[MASK]", "没有"]),
        ("score", "没有"),
        ("explain", "没有"),
        ("features", ""),
        ("features", ["一", "\0"]),
    ],
)
def test_an_invalid_text_is_rejected_before_any_request(question: str, text: Any) -> None:
    table = TableModel()
    more = [["一"]] if question in {"score", "choose"} else []
    with FillMask(InProcess(table)) as client, pytest.raises(InputError):
        getattr(client, question)(text, *more)
    assert not table.asked


def test_repr_shows_the_address_without_secrets() -> None:
    assert repr(FillMask("grpc://127.0.0.1:8500", version=2)) == (
        "FillMask('grpc://127.0.0.1:8500', model='bert_mlm/versions/2')"
    )
    assert repr(FillMask(["grpc://a:1", "grpc://b:1"])) == "FillMask('grpc://a:1, grpc://b:1', model='bert_mlm')"


def test_an_async_client_can_be_made_before_its_event_loop(url: str) -> None:
    client = AsyncFillMask(url)

    async def ask() -> object:
        async with client:
            return await client.fill(ONE)

    assert asyncio.run(ask())


def test_top_k_is_limited_by_the_server(url: str, model: ScriptedModel) -> None:
    with FillMask(url) as client:
        assert len(client.fill(ONE, top_k=model.top_k)) == model.top_k
        with pytest.raises(InputError, match=r"top_k is 21, this model answers with 20"):
            client.fill(ONE, top_k=model.top_k + 1)


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_below_one_is_rejected_before_any_request(url: str, model: ScriptedModel, top_k: int) -> None:
    with FillMask(url) as client, pytest.raises(InputError, match="ask for 1 candidate or more"):
        client.fill(ONE, top_k=top_k)
    assert not model.asked


def test_an_invalid_text_is_named_by_its_number(url: str, model: ScriptedModel) -> None:
    with FillMask(url) as client, pytest.raises(InputError, match=r"^text 2 of 3: the text has no"):
        client.fill([ONE, "没有", ONE])
    assert not model.asked


def test_fill_takes_one_mask_and_names_the_methods_for_several(url: str, model: ScriptedModel) -> None:
    with (
        FillMask(url) as client,
        pytest.raises(InputError, match=r"^text 2 of 2: .* 2 \[MASK\]s .*fill_masks .*fill_words"),
    ):
        client.fill([ONE, TWO])
    assert not model.requests("fill_mask")


def test_fill_masks_answers_one_mask_with_a_list_of_one(url: str) -> None:
    with FillMask(url) as client:
        assert client.fill_masks([ONE, ONE]) == [[client.fill(ONE)]] * 2


def test_a_long_text_is_named_by_its_number(url: str, model: ScriptedModel) -> None:
    with (
        FillMask(url) as client,
        pytest.raises(InputError, match=r"^text 3 of 3: .* 42 tokens .* 32 that the model reads"),
    ):
        client.fill([ONE, ONE, "[MASK]" * 40])
    assert not model.requests("fill_mask")


def test_a_text_of_the_maximum_length_is_accepted(url: str) -> None:
    with FillMask(url) as client:
        assert len(client.fill_masks("[MASK]" * 30)) == 30


def test_a_vocabulary_file_is_compared_with_the_servers(url: str, model: ScriptedModel, tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(model.vocab + b"\n")
    with FillMask(url, vocab=path) as client:
        assert client.fill(ONE)


def test_with_a_vocabulary_file_grpc_fetches_only_the_configuration(
    grpc_url: str, model: ScriptedModel, tmp_path: Path
) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(model.vocab)
    with FillMask(grpc_url, vocab=path) as client:
        client.tokenizer()
    assert [asked.output_filter for asked in model.asked] == [("config",)]


def test_another_vocabulary_is_rejected_with_both_sizes_and_digests(
    url: str, model: ScriptedModel, tmp_path: Path
) -> None:
    path = tmp_path / "vocab.txt"
    other = model.vocab.replace("京".encode(), "津".encode()) + "\n沪".encode()
    path.write_bytes(other)
    with FillMask(url, vocab=path) as client, pytest.raises(VocabularyError) as error:
        client.fill(ONE)
    here, there = hashlib.sha256(other).hexdigest(), hashlib.sha256(model.vocab).hexdigest()
    assert f"{len(TOKENS) + 1} tokens, SHA-256 {here} here" in str(error.value)
    assert f"{len(TOKENS)} tokens, {there} there" in str(error.value)
    assert error.value.address == url


def test_without_tokenizer_signature_the_vocabulary_file_is_used(
    url: str, model: ScriptedModel, tmp_path: Path
) -> None:
    with FillMask(url) as client:
        expected = client.fill(ONE)
    model.without_tokenizer = True
    path = tmp_path / "vocab.txt"
    path.write_bytes(model.vocab)
    with FillMask(url, vocab=path) as client:
        assert client.fill(ONE) == expected


def test_without_tokenizer_signature_and_file_the_error_names_the_file(url: str, model: ScriptedModel) -> None:
    model.without_tokenizer = True
    with FillMask(url) as client, pytest.raises(VocabularyError, match=r"pass the path of its vocab\.txt"):
        client.fill(ONE)


def test_a_missing_vocabulary_file_is_named(url: str, tmp_path: Path) -> None:
    with (
        FillMask(url, vocab=tmp_path / "none.txt") as client,
        pytest.raises(VocabularyError, match=r"none\.txt cannot"),
    ):
        client.fill(ONE)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"vocab_sha256": "0" * 64}, "not the server's"),
        ({"do_lower_case": "yes"}, "no valid 'do_lower_case'"),
        ({"max_length": True}, "no valid 'max_length'"),
        ({"vocab_size": None}, "no valid 'vocab_size'"),
    ],
)
def test_a_damaged_tokenizer_configuration_is_rejected(
    url: str, model: ScriptedModel, config: dict[str, object], message: str
) -> None:
    model.config = config
    with FillMask(url) as client, pytest.raises(VocabularyError, match=message):
        client.fill(ONE)


@pytest.mark.parametrize("strange", [len(TOKENS), -1])
def test_a_token_outside_the_vocabulary_is_rejected(url: str, model: ScriptedModel, strange: int) -> None:
    model.answers = {"token_ids": np.full((1, 1, model.top_k), strange, np.int32)}
    with (
        FillMask(url) as client,
        pytest.raises(VocabularyError, match=f"token {strange}, which the vocabulary does not name") as error,
    ):
        client.fill(ONE)
    assert error.value.address == url


@pytest.mark.parametrize("shape", [(2, 1, 20), (1, 0, 20), (1, 1, 19), (1, 20)])
def test_an_answer_of_another_shape_is_rejected(url: str, model: ScriptedModel, shape: tuple[int, ...]) -> None:
    model.answers = {"token_ids": np.zeros(shape, np.int32)}
    with FillMask(url) as client, pytest.raises(ProtocolError, match="exported by this project"):
        client.fill(ONE)


def test_an_invalid_pair_is_named_by_its_number() -> None:
    with FillMask(InProcess(TableModel())) as client, pytest.raises(InputError, match=r"^pair 2 of 2 is '快乐'; write"):
        client.similarity([("一", "二"), "快乐"])  # type: ignore[list-item]  # the fault under test
