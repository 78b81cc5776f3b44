"""Locust user of the REST API."""

import json
from argparse import Namespace

from locust import FastHttpUser, task

from loadtest.questions import rest_body
from loadtest.users.answers import fault
from loadtest.users.base import PacedRequests

_HEADERS = {"Content-Type": "application/json"}


class RestUser(PacedRequests, FastHttpUser):
    """Send sentences to ``:predict`` at ``--host``."""

    network_timeout = 30.0
    connection_timeout = 10.0

    @staticmethod
    def address(options: Namespace) -> str:
        """Return the REST API's address."""
        return str(options.host)

    def on_start(self) -> None:
        """Serialize the requests as JSON."""
        options = self.environment.parsed_options
        self._path = f"/v1/models/{options.model}:predict"
        self._bodies = [rest_body(request) for request in self.prepare(options)]
        self.begin()

    @task
    def fill_mask(self) -> None:
        """Send one sentence and check the answer."""
        body = self._bodies[self.next_number()]
        with self.client.post(
            self._path, data=body, headers=_HEADERS, name="REST fill_mask", catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"HTTP {answer.status_code}: {(answer.text or str(answer.error))[:200]}")
                return
            try:
                wrong = fault(json.loads(answer.content)["outputs"])
            except (ValueError, KeyError, TypeError) as error:
                wrong = f"not an answer of TensorFlow Serving: {error!r}"
            if wrong:
                answer.failure(wrong)
