"""Answer questions about improbable characters."""

from bert_mlm_client import AsyncFillMask, Proofreading
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from deploy.gateway import paths
from deploy.gateway.api import requests, responses
from deploy.gateway.api.request_limits import suspects_size
from deploy.gateway.api.requests import listed
from deploy.gateway.api.responses import answered
from deploy.gateway.api.routes import QuestionGroup, add_question
from deploy.gateway.telemetry.recorder import Best


class ProofreadQuestions(QuestionGroup[AsyncFillMask]):
    """The endpoint of proofreading."""

    def add_to(self, app: FastAPI) -> None:
        """Add the route."""
        add_question(app, paths.PROOFREAD, self.proofread, answer=responses.ProofreadAnswer, tag="proofread")

    async def proofread(self, body: requests.ProofreadRequest) -> JSONResponse:
        """Find the improbable characters of one or several texts.

        Each token of a text has the probability that the model gives it when it alone is masked. Suspects are the
        Chinese characters below the threshold for which the model finds a more probable one. The model computes a row
        for each character: GATEWAY_MAX_PROOFREAD_CHARACTERS limits their number in a request.
        """
        texts, how = listed(body.inputs), body.parameters
        self._limits.check(texts, top_k=how.top_k)
        self._limits.check_characters(texts)
        self._limits.check_answer(suspects_size(text, how.top_k) for text in texts)
        with self._recorder.question("proofreading", texts) as question:
            found = await self._limits.within_time(
                self._client.proofread(texts, how.threshold, how.top_k, spacing=how.spacing, truncate=how.truncate)
            )
            question.answers = [_best(one) for one in found]
            return answered(body.inputs, [responses.proofread_text(one) for one in found])


def _best(answer: Proofreading) -> Best:
    """Return the best suggestions and their lowest score."""
    best = [suspect.suggestions[0] for suspect in answer.suspects]
    characters = len(answer.characters)
    if not best:
        return Best(characters=characters)
    return Best(" ".join(one.token_str for one in best), min(one.score for one in best), characters)
