"""Answer questions to a text classifier."""

from bert_mlm_client import AsyncTextClassifier, TextPair
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from deploy.gateway import paths
from deploy.gateway.api import requests, responses
from deploy.gateway.api.request_limits import labels_size
from deploy.gateway.api.requests import listed
from deploy.gateway.api.routes import NO_CLASSIFIER, QuestionGroup, add_question
from deploy.gateway.errors import ApiError
from deploy.gateway.telemetry.recorder import Best


class ClassifierQuestions(QuestionGroup[AsyncTextClassifier | None]):
    """The endpoints of text classification.

    Its client is None without a classifier.
    """

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, answer in (
            (paths.CLASSIFY, self.classify, responses.ClassifyAnswer),
            (paths.TEXT_CLASSIFICATION, self.text_classification, responses.TextClassificationAnswer),
        ):
            add_question(app, path, endpoint, answer=answer, tag="classify", problems=NO_CLASSIFIER)

    async def classify(self, body: requests.ClassifyRequest) -> JSONResponse:
        """Classify one or several texts.

        The answer to one text is its labels, best first; the answer to several texts is a list of these, in order.
        """
        how = body.parameters
        return responses.answered(
            body.inputs, await self._ask(self._classifier(), body.inputs, how.top_k, truncate=how.truncate)
        )

    async def text_classification(self, body: requests.TextClassificationRequest) -> JSONResponse:
        """Classify texts in the format of Hugging Face's text-classification task.

        It differs from `/v1/classify` in two points: all labels are the default, and the answer to a single text is a
        list with one list.
        """
        how = body.parameters
        return responses.response(await self._ask(self._classifier(), body.inputs, how.top_k, truncate=how.truncate))

    async def _ask(
        self,
        client: AsyncTextClassifier,
        inputs: requests.TextsOrPairs,
        top_k: int | None,
        *,
        truncate: bool,
    ) -> list[list[responses.LabelScore]]:
        texts = [_text(one) for one in listed(inputs)]
        self._limits.check(texts, top_k=top_k or 0)
        with self._recorder.question("text_classification", [_logged(text) for text in texts]) as question:
            count = len(await client.labels()) if top_k is None else top_k
            self._limits.check_answer([labels_size(count)] * len(texts))
            found = await self._limits.within_time(client.classify(texts, top_k, truncate=truncate))
            question.answers = [Best(each[0].label, each[0].score) for each in found]
            return [[responses.label_score(one) for one in each] for each in found]

    def _classifier(self) -> AsyncTextClassifier:
        """Return the client.

        Raises:
            ApiError: no classifier is configured.
        """
        if self._client is None:
            words = "this gateway has no text classifier; set GATEWAY_CLASSIFIER to the name of one on its model server"
            raise ApiError(404, "NoClassifierError", words)
        return self._client


def _text(given: str | requests.TextAndPair) -> str | TextPair:
    return given if isinstance(given, str) else TextPair(given.text, given.text_pair)


def _logged(text: str | TextPair) -> str:
    return text if isinstance(text, str) else f"{text.text} | {text.text_pair}"
