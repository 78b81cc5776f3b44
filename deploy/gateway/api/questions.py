"""Answer the API's questions through the client."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from bert_mlm_client import AsyncFillMask, Explanation, Filling, InputError, Prediction
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from deploy.gateway import paths
from deploy.gateway.api import requests, responses
from deploy.gateway.api.request_limits import candidates_size, masks_size, weights_size
from deploy.gateway.api.requests import listed
from deploy.gateway.api.responses import answered
from deploy.gateway.api.routes import QuestionGroup, add_question
from deploy.gateway.log.lines import CallersWord
from deploy.gateway.telemetry.recorder import Best

Answer = TypeVar("Answer")

CONCURRENCY = 8
"""Concurrent client calls for one request, if a call takes a single text."""


class Questions(QuestionGroup[AsyncFillMask]):
    """The endpoints of the questions."""

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, answer, tag in (
            (paths.PREDICT, self.predict, responses.PredictAnswer, "fill"),
            (paths.FILL_MASK, self.fill_mask, responses.FillMaskAnswer, "fill"),
            (paths.SCORE, self.score, responses.ScoreAnswer, "fill"),
            (paths.SIMILARITY, self.similarity, responses.SimilarityAnswer, "meaning"),
            (paths.FEATURES, self.features, responses.FeaturesAnswer, "meaning"),
            (paths.EXPLAIN, self.explain, responses.ExplainAnswer, "fill"),
        ):
            add_question(app, path, endpoint, answer=answer, tag=tag)

    async def predict(self, body: requests.PredictRequest) -> JSONResponse:
        """Fill the [MASK]s of one sentence with a minimal answer."""
        self._limits.check([body.text], top_k=body.top_k)
        self._limits.check_answer([masks_size(body.text, body.top_k)])
        with self._recorder.question("mask_prediction", [body.text]) as question:
            masks = await self._limits.within_time(self._client.fill_masks(body.text, body.top_k))
            question.answers = [_best_of_masks(masks)]
            results = [[responses.token_score(candidate) for candidate in mask] for mask in masks]
            return responses.response({"results": _unwrapped(results)})

    async def fill_mask(self, body: requests.FillMaskRequest) -> JSONResponse:
        """Fill the [MASK]s of one or several sentences.

        The format is that of Hugging Face's fill-mask task. The answer to one sentence is its candidates, best first,
        or a list of them for each of several [MASK]s; with `targets` or `joint`, whole words. The answer to several
        sentences is a list of these, in order.
        """
        texts, how = listed(body.inputs), body.parameters
        targets = None if how.targets is None else listed(how.targets)
        is_whole = how.joint or targets is not None
        self._limits.check(texts, top_k=how.top_k, targets=len(targets or ()))
        size = candidates_size if is_whole else masks_size
        self._limits.check_answer(size(text, how.top_k) for text in texts)
        with self._recorder.question("mask_prediction", texts) as question:
            if is_whole:
                words = await self._limits.within_time(self._whole_words(texts, how, targets))
                question.answers = [_best_of_words(one, are_given=targets is not None) for one in words]
                return answered(body.inputs, [[responses.filled_words(filling) for filling in one] for one in words])
            found = await self._limits.within_time(
                self._client.fill_masks(texts, how.top_k, skip_punctuation=how.skip_punctuation, truncate=how.truncate)
            )
            question.answers = [_best_of_masks(masks) for masks in found]
            return answered(body.inputs, [_filled_masks(masks) for masks in found])

    async def _whole_words(
        self, texts: list[str], how: requests.FillMaskParameters, targets: list[str] | None
    ) -> list[list[Filling]]:
        """Return the best targets or joint words.

        Raises:
            InputError: the parameters contradict each other.
            BertMlmError: see the client.
        """
        if targets is None:
            return await self._client.fill_words(
                texts, how.top_k, skip_punctuation=how.skip_punctuation, truncate=how.truncate
            )
        if how.joint or how.skip_punctuation:
            msg = "targets are the words to choose from; leave out joint and skip_punctuation"
            raise InputError(msg)
        return await self._client.choose(texts, targets, how.top_k, truncate=how.truncate)

    async def score(self, body: requests.ScoreRequest) -> JSONResponse:
        """Score words for the gap of one or several sentences.

        The scores are in the order of the words.
        """
        texts, how = listed(body.inputs), body.parameters
        self._limits.check(texts, candidates=len(how.candidates))
        self._limits.check_answer(candidates_size(text, len(how.candidates)) for text in texts)
        with self._recorder.question("token_scoring", texts) as question:
            found = await self._limits.within_time(
                _each(texts, lambda text: self._client.score(text, how.candidates, truncate=how.truncate))
            )
            question.answers = [_best_of_words(fillings, are_given=True) for fillings in found]
            return answered(body.inputs, [[responses.filled_words(filling) for filling in one] for one in found])

    async def similarity(self, body: requests.SimilarityRequest) -> JSONResponse:
        """Compare the meaning of sentences.

        In Hugging Face's format, one source sentence and others, the answer is a number for each of the others; for
        pairs it is score, measure and plain cosine for each.
        """
        inputs = body.inputs
        if isinstance(inputs, requests.Pairs):
            pairs = [(first, second) for first, second in inputs.pairs]
        else:
            pairs = [(inputs.source_sentence, sentence) for sentence in inputs.sentences]
        self._limits.check(pairs)
        with self._recorder.question(
            "semantic_similarity", [f"{first} | {second}" for first, second in pairs]
        ) as question:
            found = await self._limits.within_time(self._client.similarity(pairs))
            question.answers = [Best(score=similarity.score) for similarity in found]
            if isinstance(inputs, requests.Pairs):
                return responses.response([responses.similarity_score(similarity) for similarity in found])
            return responses.response([similarity.score for similarity in found])

    async def features(self, body: requests.FeaturesRequest) -> JSONResponse:
        """Return the vectors of one or several texts."""
        texts = listed(body.inputs)
        self._limits.check(texts)
        with self._recorder.question("feature_extraction", texts) as question:
            found = await self._limits.within_time(self._client.features(texts, truncate=body.parameters.truncate))
            question.answers = [Best() for _ in texts]
            return answered(body.inputs, [responses.vectors(features) for features in found])

    async def explain(self, body: requests.ExplainRequest) -> JSONResponse:
        """Explain an answer by the tokens of its sentence.

        The answer is the best one or `target`. A sentence with several [MASK]s has an explanation for each; with
        `joint`, or words as `target`, one for each run of adjacent [MASK]s.
        """
        texts, how = listed(body.inputs), body.parameters
        self._limits.check(texts)
        self._limits.check_answer(weights_size(text) for text in texts)
        with self._recorder.question("explanation", texts) as question:
            found = await self._limits.within_time(
                _each(
                    texts,
                    lambda text: self._client.explain(
                        text, target=how.target, joint=how.joint, method=how.method, truncate=how.truncate
                    ),
                )
            )
            question.answers = [_best_of_explanations(each, are_given=how.target is not None) for each in found]
            return answered(body.inputs, [_explained(explanations) for explanations in found])


async def _each(texts: Sequence[str], ask: Callable[[str], Awaitable[Answer]]) -> list[Answer]:
    """Call ``ask`` for each text concurrently.

    The first error cancels the others and names its text.

    Raises:
        BertMlmError: see the client.
    """
    places = asyncio.Semaphore(CONCURRENCY)

    async def numbered(number: int, text: str) -> Answer:
        try:
            async with places:
                return await ask(text)
        except InputError as error:
            if len(texts) == 1:
                raise
            message = f"text {number} of {len(texts)}: {error.args[0]}"
            raise InputError(message, option=error.option) from error

    tasks = [asyncio.create_task(numbered(number, text)) for number, text in enumerate(texts, 1)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _unwrapped(answers: Sequence[Any]) -> Any:
    """Unwrap a single mask's answer, as Hugging Face does."""
    return answers[0] if len(answers) == 1 else answers


def _filled_masks(masks: Sequence[Sequence[Prediction]]) -> Any:
    return _unwrapped([[responses.filled_mask(candidate) for candidate in mask] for mask in masks])


def _best_of_masks(masks: Sequence[Sequence[Prediction]]) -> Best:
    """Return the masks' best candidates and their lowest score."""
    best = [mask[0] for mask in masks if mask]
    if not best:
        return Best()
    return Best(" ".join(candidate.token_str for candidate in best), min(candidate.score for candidate in best))


def _best_of_words(fillings: Sequence[Filling], *, are_given: bool) -> Best:
    """Return the best words.

    Words of the caller are marked as `CallersWord`.
    """
    best = max(fillings, key=lambda filling: filling.score, default=None)
    if best is None:
        return Best()
    return Best(CallersWord(best.token_str) if are_given else best.token_str, best.score)


def _best_of_explanations(explanations: Sequence[Explanation], *, are_given: bool) -> Best:
    """Return the explained answers and their lowest score."""
    words = " ".join(one.prediction.token_str for one in explanations)
    return Best(CallersWord(words) if are_given else words, min(one.prediction.score for one in explanations))


def _explained(explanations: Sequence[Explanation]) -> Any:
    return _unwrapped([responses.explained_answer(explanation) for explanation in explanations])
