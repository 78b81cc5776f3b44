"""Classify texts and pairs through both clients over real sockets."""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import (
    AsyncFillMask,
    AsyncTextClassifier,
    Classification,
    FillMask,
    InputError,
    ProtocolError,
    SignatureNotFoundError,
    TextClassifier,
    TextPair,
    UsageError,
    VocabularyError,
    ask_all,
)
from bert_mlm_client.exchanges import MAX_ROWS
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from tests.client.scripted import TOKENS, Refusal, ScriptedClassifier, ScriptedModel, grpc_server
from tests.client.test_client import signatures

TEXT = "我们去散步吧"
MANY = [TEXT, "北京", "天气很好，今天", "法国", "真谛"]


def ids_of(*texts: str) -> list[int]:
    """Token ids of one text or a pair of single Chinese characters."""
    return [TOKENS.index(token) for token in ("[CLS]", *(each for text in texts for each in (*text, "[SEP]")))]


def expected(model: ScriptedClassifier, *texts: str) -> list[Classification]:
    """The scripted answer with all labels."""
    best, count = sum(ids_of(*texts)), len(model.labels)
    scores = np.linspace(2 / count, 0, count, dtype=np.float32).tolist()
    return [Classification(model.labels[(best + rank) % count], score) for rank, score in enumerate(scores)]


@pytest.fixture
def client(classifier_url: str) -> Iterator[TextClassifier]:
    with TextClassifier(classifier_url, "genre") as opened:
        yield opened


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (2, 2), (3, 3), (None, 3), (100, 3)])
def test_a_text_has_its_best_labels(
    client: TextClassifier, classifier: ScriptedClassifier, top_k: int | None, count: int
) -> None:
    assert client.classify(TEXT, top_k) == expected(classifier, TEXT)[:count]


def test_the_default_is_the_best_label_alone(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    assert client.classify(TEXT) == expected(classifier, TEXT)[:1]


def test_the_request_is_the_contract_of_the_classify_signature(
    client: TextClassifier, classifier: ScriptedClassifier
) -> None:
    client.classify(TEXT)
    [asked] = classifier.requests("classify")
    assert asked.model == "genre"
    assert {name: array.tolist() for name, array in asked.inputs.items()} == {
        "input_ids": [ids_of(TEXT)],
        "lengths": [len(TEXT) + 2],
    }


def test_many_texts_are_answered_in_order_and_short_ones_share_a_request(
    client: TextClassifier, classifier: ScriptedClassifier
) -> None:
    assert client.classify(MANY, 2) == [expected(classifier, text)[:2] for text in MANY]
    [asked] = classifier.requests("classify")
    assert sorted(asked.inputs["lengths"].tolist()) == sorted(len(text) + 2 for text in MANY)


def test_many_texts_are_sent_in_requests_of_limited_size(
    client: TextClassifier, classifier: ScriptedClassifier
) -> None:
    assert client.classify([TEXT] * (MAX_ROWS + 1)) == [expected(classifier, TEXT)[:1]] * (MAX_ROWS + 1)
    assert sorted(len(asked.inputs["lengths"]) for asked in classifier.requests("classify")) == [1, MAX_ROWS]


def test_no_texts_have_no_answers(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    assert client.classify([]) == []
    assert not classifier.requests("classify")


def test_the_labels_are_in_the_order_of_their_ids(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    assert client.labels() == ("唐诗", "宋词", "法律")
    assert client.labels() == client.labels()
    assert len(classifier.asked) == 1


def test_a_text_has_no_need_of_a_mask_and_may_have_one(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    client.classify(["北京", "[MASK]京"])
    [asked] = classifier.requests("classify")
    assert sorted(asked.inputs["input_ids"].tolist()) == sorted(
        [ids_of("北京"), [TOKENS.index(token) for token in ("[CLS]", "[MASK]", "京", "[SEP]")]]
    )


@pytest.mark.parametrize("pair", [TextPair("北京", "天气很好"), {"text": "北京", "text_pair": "天气很好"}])
def test_a_pair_is_one_row_with_two_separators(
    client: TextClassifier, classifier: ScriptedClassifier, pair: TextPair | Mapping[str, str]
) -> None:
    classifier.text_pairs = True
    assert client.classify(pair, None) == expected(classifier, "北京", "天气很好")
    assert client.classify([pair, TextPair("法", "国")]) == [
        expected(classifier, "北京", "天气很好")[:1],
        expected(classifier, "法", "国")[:1],
    ]
    assert classifier.requests("classify")[0].inputs["input_ids"].tolist() == [ids_of("北京", "天气很好")]


def test_a_mapping_may_have_the_text_alone(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    assert client.classify({"text": TEXT}, None) == expected(classifier, TEXT)


def test_a_model_of_pairs_rejects_a_single_text_and_names_the_type(
    client: TextClassifier, classifier: ScriptedClassifier
) -> None:
    classifier.text_pairs = True
    with pytest.raises(InputError, match=r"^text 2 of 2: the model was trained on pairs .* TextPair\(text"):
        client.classify([TextPair("北", "京"), TEXT])
    assert not classifier.requests("classify")


def test_a_model_of_texts_rejects_a_pair(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    with pytest.raises(InputError, match="trained on single texts; leave out the second text"):
        client.classify(TextPair("北", "京"))
    assert not classifier.requests("classify")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("", "the text is empty"),
        ("北\0京", "U\\+0000, a control character"),
        (None, "^a text must be a str, not NoneType"),
        (5, "^a text must be a str, not int"),
        ([TEXT, None], "text 2 of 2: a text must be a str, not NoneType"),
        ([TEXT, float("nan")], "text 2 of 2: a text must be a str, not float"),
        (TextPair("北", ""), "text_pair: the text is empty"),
        ([("北", "京")], r"a pair must be a TextPair, not a tuple; write TextPair\(text, text_pair\)"),
        (
            {"text": TEXT, "pair": TEXT},
            "fields of a text to classify are \"text\" and \"text_pair\", not 'text', 'pair'",
        ),
        ({"text_pair": TEXT}, "fields of a text to classify"),
        ([{}], "not none"),
        ({"text": 5}, "a text must be a str, not int"),
    ],
)
def test_an_invalid_text_is_rejected_before_any_request(
    client: TextClassifier, classifier: ScriptedClassifier, texts: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        client.classify(texts)
    assert not classifier.asked


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_below_one_is_rejected_before_any_request(
    client: TextClassifier, classifier: ScriptedClassifier, top_k: int
) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}; ask for 1 label or more, or for all with None"):
        client.classify(TEXT, top_k)
    assert not classifier.asked


def test_a_long_text_is_named_with_the_option_that_truncates_it(
    client: TextClassifier, classifier: ScriptedClassifier
) -> None:
    with pytest.raises(InputError, match=r"text 2 of 2: the text is 42 tokens .* keep the start with truncate=True"):
        client.classify([TEXT, "京" * 40])
    assert not classifier.requests("classify")
    client.classify([TEXT, "京" * 40], truncate=True)
    [asked] = classifier.requests("classify")
    assert sorted(asked.inputs["lengths"].tolist()) == [8, 32]


def test_a_long_pair_is_named_and_truncated(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    classifier.text_pairs = True
    pair = TextPair("京" * 30, "北京")
    with pytest.raises(InputError, match=r"the text is 35 tokens long .* keep the starts of both with truncate=True"):
        client.classify(pair)
    assert client.classify(pair, truncate=True) == expected(classifier, "京" * 27, "北京")[:1]


@pytest.fixture(scope="module")
def hugging_face() -> BertWordPieceTokenizer:
    return BertWordPieceTokenizer({token: number for number, token in enumerate(TOKENS)})


@given(st.integers(1, 30), st.none() | st.integers(1, 30), st.integers(5, 20))
def test_ids_are_those_of_hugging_face_truncated_or_not(
    hugging_face: BertWordPieceTokenizer, first: int, second: int | None, limit: int
) -> None:
    texts = ["京" * first, *([] if second is None else ["北" * second])]
    ours = Tokenizer(Vocabulary.parse("\n".join(TOKENS).encode()), TokenizerConfig(max_length=limit))
    hugging_face.enable_truncation(limit)
    assert list(ours.encode_sequence(*texts, truncate=True)) == hugging_face.encode(*texts).ids


@pytest.mark.parametrize(
    "outputs",
    [
        {"labels": np.full((2, 3), b"a", object)},
        {"scores": np.zeros((1, 2), np.float32)},
        {"scores": np.zeros((1, 3), np.int32)},
        {"labels": np.zeros((1, 3), np.int32)},
        {"labels": np.full(3, b"a", object), "scores": np.zeros(3, np.float32)},
    ],
)
def test_an_answer_of_another_shape_or_type_is_rejected(
    client: TextClassifier, classifier: ScriptedClassifier, outputs: dict[str, Any]
) -> None:
    classifier.answers = outputs
    with pytest.raises(ProtocolError, match="exported by this project"):
        client.classify(TEXT)


def test_a_label_that_is_not_utf_8_is_rejected(classifier: ScriptedClassifier) -> None:
    classifier.answers = {"labels": np.array([[b"\xcc\xc6", b"a", b"b"]], object)}
    with (
        grpc_server(classifier) as url,
        TextClassifier(url, "genre") as client,
        pytest.raises(ProtocolError, match="which is not UTF-8"),
    ):
        client.classify(TEXT)


@pytest.mark.parametrize(
    "config", [{"labels": "唐诗"}, {"labels": ["a", "a"]}, {"labels": [""]}, {"text_pairs": 1}, {"task": None}]
)
def test_a_damaged_task_is_rejected(
    client: TextClassifier, classifier: ScriptedClassifier, config: dict[str, Any]
) -> None:
    classifier.config = config
    with pytest.raises(VocabularyError, match=f"no valid '{next(iter(config))}'"):
        client.classify(TEXT)


def test_the_labels_of_a_new_version_replace_those_of_the_old(classifier: ScriptedClassifier) -> None:
    with grpc_server(classifier) as url, TextClassifier(url, "genre") as client:
        client.classify(TEXT)
        classifier.version, classifier.config = 2, {}
        classifier.labels = ("诗", "词", "法", "食谱")
        assert client.classify(TEXT, None) == expected(classifier, TEXT)
        assert client.labels() == classifier.labels


@pytest.mark.parametrize("question", [lambda client: client.classify("北京"), lambda client: client.labels()])
def test_a_classifier_client_of_a_masked_language_model_is_told_so(
    url: str, model: ScriptedModel, question: Callable[[Any], Any]
) -> None:
    async def ask() -> None:
        async with AsyncTextClassifier(url, model.name) as client:
            await question(client)

    message = "the model fills masks and has no labels; ask it with FillMask, or name a classifier"
    with TextClassifier(url, model.name) as client, pytest.raises(SignatureNotFoundError, match=message) as error:
        question(client)
    assert (error.value.address, error.value.model, error.value.signature) == (url, "bert_mlm", "classify")
    with pytest.raises(SignatureNotFoundError, match=message):
        asyncio.run(ask())


def test_a_mask_client_of_a_classifier_is_told_so(classifier_url: str) -> None:
    async def ask() -> None:
        async with AsyncFillMask(classifier_url, "genre") as client:
            await client.fill("[MASK]京")

    message = "the model classifies texts and fills no masks; ask it with TextClassifier, or name a masked"
    with FillMask(classifier_url, "genre") as client:
        for question in (client.fill, client.fill_masks, client.fill_words):
            with pytest.raises(SignatureNotFoundError, match=message):
                question("[MASK]京")
        with pytest.raises(SignatureNotFoundError, match=message):
            client.score("[MASK]京", ["北"])
    with pytest.raises(SignatureNotFoundError, match=message):
        asyncio.run(ask())


def test_a_model_of_another_task_is_named_by_it(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    classifier.config = {"task": "token_classification", "labels": []}
    classifier.signature = "tag"
    with pytest.raises(SignatureNotFoundError, match="the model's task is token_classification"):
        client.classify(TEXT)


def test_both_clients_have_the_same_methods_with_the_same_parameters_and_answers() -> None:
    assert signatures(TextClassifier) == signatures(AsyncTextClassifier)
    assert set(signatures(TextClassifier)) == {
        "__init__",
        "classify",
        "close",
        "features",
        "labels",
        "model_status",
        "tokenizer",
    }


def test_the_clients_of_both_tasks_are_constructed_alike() -> None:
    mask, classifier = inspect.signature(FillMask).parameters, inspect.signature(TextClassifier).parameters
    assert [str(each) for each in mask.values() if each.name != "model"] == [
        str(each) for each in classifier.values() if each.name != "model"
    ]
    assert list(mask) == list(classifier)


@pytest.mark.parametrize("texts", [TEXT, MANY, [], "", "京" * 40, [TEXT, "\0"], TextPair("北", "京")])
def test_both_clients_answer_and_fail_the_same(classifier_url: str, texts: str | TextPair | Sequence[str]) -> None:
    async def ask() -> object:
        async with AsyncTextClassifier(classifier_url, "genre") as client:
            return await client.classify(texts, None)

    def outcome(ask: Callable[[], object]) -> object:
        try:
            return ask()
        except InputError as error:
            return str(error)

    with TextClassifier(classifier_url, "genre") as client:
        assert outcome(lambda: client.classify(texts, None)) == outcome(lambda: asyncio.run(ask()))


def test_one_process_asks_both_models(url: str, classifier_url: str, classifier: ScriptedClassifier) -> None:
    with FillMask(url) as masks, TextClassifier(classifier_url, "genre") as labels:
        assert masks.fill("中国的首[MASK]是北京。")
        assert labels.classify(TEXT) == expected(classifier, TEXT)[:1]


def test_an_overloaded_server_is_asked_again(client: TextClassifier, classifier: ScriptedClassifier) -> None:
    classifier.refusals = [Refusal("busy", "UNAVAILABLE")]
    assert client.classify(TEXT) == expected(classifier, TEXT)[:1]
    assert len(classifier.requests("classify")) == 2


def test_any_number_of_texts_are_answered_in_order_with_their_errors(
    client: TextClassifier, classifier: ScriptedClassifier
) -> None:
    texts = [*MANY * 100, "", "京" * 40]
    found = list(ask_all(texts, client.classify, length=len))
    assert [text for text, _ in found] == texts
    assert [answer for _, answer in found[:-2]] == [expected(classifier, text)[:1] for text in MANY] * 100
    assert [type(answer) for _, answer in found[-2:]] == [InputError, InputError]


async def test_a_client_belongs_to_one_event_loop_and_can_be_closed(classifier_url: str) -> None:
    async with AsyncTextClassifier(classifier_url, "genre") as client:
        await client.classify(TEXT)
        with pytest.raises(UsageError, match="an AsyncTextClassifier belongs to the event loop of its first request"):
            await asyncio.to_thread(asyncio.run, client.labels())
    for question in (client.classify(TEXT), client.labels()):
        with pytest.raises(UsageError, match="client is closed"):
            await question


def test_a_closed_client_raises_usage_error(classifier_url: str) -> None:
    client = TextClassifier(classifier_url, "genre", version=1)
    assert repr(client) == f"TextClassifier({classifier_url!r}, model='genre/versions/1')"
    client.close()
    for question in (lambda: client.classify(TEXT), client.labels, client.model_status):
        with pytest.raises(UsageError, match="client is closed"):
            question()
