"""Locust user of all endpoints of the gateway."""

import json
from argparse import Namespace
from functools import lru_cache
from urllib.request import urlopen

from locust import FastHttpUser, task

from loadtest.sentences import masked_sentences
from loadtest.users import gateway_questions as ask
from loadtest.users.base import SENTENCES, PacedRequests

_HEADERS = {"Content-Type": "application/json"}
_LOOK_S = 10.0


@lru_cache
def _check_ready(url: str) -> None:
    """Check once per process that the gateway is ready.

    Raises:
        ConnectionError: no gateway answers.
    """
    try:
        with urlopen(f"{url}/readyz", timeout=_LOOK_S):  # noqa: S310 - the address that the user gave
            pass
    except (OSError, ValueError) as error:
        msg = f"no gateway answers at {url} ({error}); start one, or leave --gateway (GATEWAY_PORT) empty"
        raise ConnectionError(msg) from error


class GatewayUser(PacedRequests, FastHttpUser):
    """Send requests to ``--gateway``, mostly to fill one sentence."""

    network_timeout = 30.0
    connection_timeout = 10.0

    @staticmethod
    def address(options: Namespace) -> str:
        """Return the gateway's address."""
        return str(options.gateway).rstrip("/")

    @classmethod
    def prepare(cls, options: Namespace) -> tuple[str, ...]:
        """Choose the sentences.

        The gateway receives them as text.

        Raises:
            ConnectionError: no gateway answers.
        """
        _check_ready(cls.address(options))
        return masked_sentences(SENTENCES)

    def on_start(self) -> None:
        """Start at a different sentence than other users."""
        options = self.environment.parsed_options
        self._texts = self.prepare(options)
        self._url = self.address(options)  # the host that Locust knows is the REST API's
        self.begin()

    @task(6)
    def fill(self) -> None:
        """Fill one sentence."""
        self._post("fill", ask.fill(self._text()))

    @task
    def batch(self) -> None:
        """Fill several sentences in one request."""
        self._post("batch", ask.batch([self._text() for _ in range(ask.BATCH)]))

    @task
    def score(self) -> None:
        """Score words."""
        self._post("score", ask.score(self._text()))

    @task
    def similarity(self) -> None:
        """Compare sentences."""
        self._post("similarity", ask.similarity(self._text(), [self._text(), self._text()]))

    @task
    def features(self) -> None:
        """Ask for vectors."""
        self._post("features", ask.features(self._text()))

    def _text(self) -> str:
        return self._texts[self.next_number()]

    def _post(self, name: str, question: ask.Question) -> None:
        """Send a request, check the answer and count faults."""
        with self.client.post(
            self._url + question.path,
            data=question.body,
            headers=_HEADERS,
            name=f"gateway {name}",
            catch_response=True,
        ) as answer:
            if not answer.status_code:
                answer.failure(f"no answer: {type(answer.error).__name__}")
                return
            if answer.status_code != 200:
                answer.failure(ask.refusal(answer.status_code, answer.content))
                return
            try:
                wrong = question.fault(json.loads(answer.content))
            except (ValueError, KeyError, TypeError) as error:
                wrong = f"not an answer of the gateway: {error!r}"
            if wrong:
                answer.failure(wrong)
