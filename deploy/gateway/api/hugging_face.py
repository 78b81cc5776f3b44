"""Answer vectors and similarities in Hugging Face's formats.

The paths are the names of Hugging Face's tasks, so that huggingface_hub's InferenceClient takes them as its ``model``.
https://huggingface.co/docs/inference-providers/tasks/feature-extraction
"""

import numpy as np
from bert_mlm_client import AsyncFillMask, Features
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from deploy.gateway import paths
from deploy.gateway.api import requests, responses
from deploy.gateway.api.requests import listed
from deploy.gateway.api.routes import QuestionGroup, add_question
from deploy.gateway.telemetry.recorder import Best


class HuggingFaceQuestions(QuestionGroup[AsyncFillMask]):
    """The endpoints of sentence similarity and feature extraction."""

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, answer in (
            (paths.SENTENCE_SIMILARITY, self.sentence_similarity, responses.SentenceSimilarityAnswer),
            (paths.FEATURE_EXTRACTION, self.feature_extraction, responses.FeatureExtractionAnswer),
        ):
            add_question(app, path, endpoint, answer=answer, tag="meaning")

    async def sentence_similarity(self, body: requests.SentenceSimilarityRequest) -> JSONResponse:
        """Compare a sentence with others.

        The answer is a number for each of the others, the same as that of `/v1/similarity`.
        """
        pairs = [(body.inputs.source_sentence, sentence) for sentence in body.inputs.sentences]
        self._limits.check(pairs)
        logged = [f"{first} | {second}" for first, second in pairs]
        with self._recorder.question("semantic_similarity", logged) as question:
            found = await self._limits.within_time(self._client.similarity(pairs))
            question.answers = [Best(score=similarity.score) for similarity in found]
            return responses.response([similarity.score for similarity in found])

    async def feature_extraction(self, body: requests.FeatureExtractionRequest) -> JSONResponse:
        """Return one vector for each text.

        It is the whitened mean vector if the served version has a whitening, else the mean vector: the cosine of two
        vectors is the score of `/v1/similarity`. The answer to a single text is a list with one vector.
        """
        texts = listed(body.inputs)
        self._limits.check(texts)
        with self._recorder.question("feature_extraction", texts) as question:
            found = await self._limits.within_time(self._client.features(texts, truncate=body.truncate))
            question.answers = [Best() for _ in texts]
            return responses.response([_vector(features, normalize=body.normalize) for features in found])


def _vector(features: Features, *, normalize: bool) -> list[float]:
    vector = features.mean if features.whitened is None else features.whitened
    if normalize:
        vector = vector / (np.linalg.norm(vector) or 1.0)  # a vector of zeros has no direction
    numbers: list[float] = vector.tolist()
    return numbers
