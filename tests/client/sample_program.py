"""A user's program for type checking, with every public method."""

import asyncio
from typing import assert_type

from bert_mlm_client import (
    AsyncFillMask,
    AsyncTextClassifier,
    BertMlmError,
    Classification,
    Explanation,
    Features,
    Filling,
    FillMask,
    ModelStatus,
    OverloadedError,
    Prediction,
    Retry,
    Similarity,
    TextClassifier,
    TextPair,
    Tokenizer,
    ambiguity,
)


def ask(url: str) -> None:
    with FillMask(url, "bert_mlm", version=1, timeout=5, retry=Retry()) as client:
        assert_type(client.fill("中国的首[MASK]是北京。"), list[Prediction])
        assert_type(client.fill(["[MASK]京"], top_k=3, truncate=True, timeout=1), list[list[Prediction]])
        assert_type(client.fill("[MASK]京", skip_punctuation=True), list[Prediction])
        assert_type(client.fill_masks("[MASK][MASK]", 2, skip_punctuation=True), list[list[Prediction]])
        assert_type(client.fill_masks(["[MASK][MASK]", "[MASK]京"]), list[list[list[Prediction]]])
        assert_type(client.choose("[MASK]京", ["北", "南"], 1), list[Filling])
        assert_type(client.choose(["[MASK]京"], ["北", "南"]), list[list[Filling]])
        assert_type(client.fill_words("[MASK][MASK]"), list[Filling])
        assert_type(client.fill_words(("[MASK][MASK]", "[MASK]京"), skip_punctuation=True), list[list[Filling]])
        filling = client.score("[MASK]京", ["北", "南"], truncate=True, timeout=1)[0]
        assert_type(filling, Filling)
        print(filling.score + filling.log_likelihood, filling.token_str.upper(), filling.sequence, filling.words[0])
        similarity = client.similarity("猫", "小猫")
        assert_type(similarity, Similarity)
        print(similarity.score - similarity.cosine, similarity.measure.title())
        assert_type(client.similarity([("猫", "小猫")], truncate=True), list[Similarity])
        features = client.features("猫")
        assert_type(features, Features)
        print(features.cls.shape, features.mean @ features.cls, features.whitened is None)
        assert_type(client.features(["猫"]), list[Features])
        for explanation in client.explain("[MASK][MASK]", target=("北", "京"), method="attention"):
            assert_type(explanation, Explanation)
            print(explanation.prediction.token_str, explanation.text, explanation.method)
            print(*(f"{token.token_str} {token.weight:.2f} {token.span[0]}" for token in explanation.top(3)))
        close = ambiguity(client.fill("[MASK]京"), within=0.1)
        assert_type(close, tuple[Prediction, Prediction] | None)
        status = client.model_status(timeout=1)
        assert_type(status, ModelStatus)
        print(status.model, [version.version for version in status.available])
        tokenizer = client.tokenizer()
        assert_type(tokenizer, Tokenizer)
        print(tokenizer.encode("猫", masks=False).token_spans, tokenizer.word_ids("北京")[0])


def classify(url: str) -> None:
    with TextClassifier(url, "genre", version=1, timeout=5, retry=Retry()) as client:
        assert_type(client.classify("床前明月光"), list[Classification])
        assert_type(client.classify(TextPair("猫", "小猫"), top_k=None), list[Classification])
        assert_type(client.classify({"text": "猫", "text_pair": "小猫"}), list[Classification])
        assert_type(client.classify(["猫", "小猫"], 2, truncate=True, timeout=1), list[list[Classification]])
        assert_type(client.classify([TextPair("猫", "小猫")]), list[list[Classification]])
        assert_type(client.labels(timeout=1), tuple[str, ...])
        assert_type(client.features("猫"), Features)
        print(*(f"{each.label} {each.score:.2f}" for each in client.classify("猫")))


async def ask_with_asyncio(url: str) -> None:
    async with AsyncFillMask([url, url], retry=None) as client:
        assert_type(await client.fill("[MASK]京"), list[Prediction])
        assert_type(await client.fill_masks("[MASK]京"), list[list[Prediction]])
        assert_type(await client.fill_words(["[MASK]京"]), list[list[Filling]])
        assert_type(await client.choose("[MASK]京", ["北"]), list[Filling])
        assert_type(await client.score("[MASK]京", ["北"]), list[Filling])
        assert_type(await client.similarity("猫", "小猫"), Similarity)
        assert_type(await client.features(["猫"]), list[Features])
        assert_type(await client.explain("[MASK]京"), list[Explanation])
        print((await client.explain("[MASK]京"))[0].prediction.score)
        assert_type(await client.model_status(), ModelStatus)
        assert_type(await client.tokenizer(), Tokenizer)
    async with AsyncTextClassifier(url, model="genre") as classifier:
        assert_type(await classifier.classify("猫"), list[Classification])
        assert_type(await classifier.classify(["猫"]), list[list[Classification]])
        assert_type(await classifier.labels(), tuple[str, ...])


def main(url: str) -> None:
    try:
        ask(url)
        classify(url)
        asyncio.run(ask_with_asyncio(url))
    except OverloadedError as error:
        print("later:", error.address)
    except BertMlmError as error:
        print(error, error.model, error.signature)
