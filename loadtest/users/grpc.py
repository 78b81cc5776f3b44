"""Locust user of the gRPC API, through the client's transport."""

import time
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import grpc.experimental.gevent
from bert_mlm_client import BertMlmError
from bert_mlm_client.transport import open_transport
from locust import User, task

from loadtest.users.answers import fault
from loadtest.users.base import PacedRequests

_TIMEOUT_S = 30.0


class GrpcUser(PacedRequests, User):
    """Send sentences to ``--grpc`` over its own channel."""

    @staticmethod
    def address(options: Namespace) -> str:
        """Return the gRPC API's address."""
        return str(options.grpc)

    @classmethod
    def prepare(cls, options: Namespace) -> Sequence[Any]:
        """Build the requests and make gRPC yield to other users."""
        grpc.experimental.gevent.init_gevent()
        return super().prepare(options)

    def on_start(self) -> None:
        """Open the channel."""
        options = self.environment.parsed_options
        self._transport = open_transport(options.grpc, model=options.model, retry=None)
        self._requests = self.prepare(options)
        self.begin()

    def on_stop(self) -> None:
        """Close the channel."""
        self._transport.close()

    @task
    def fill_mask(self) -> None:
        """Send one sentence, check the answer, report to Locust."""
        request = self._requests[self.next_number()]
        failure: Exception | None = None
        size = 0
        begun = time.perf_counter()
        try:
            answer = self._transport.predict(request, timeout=_TIMEOUT_S)
        except BertMlmError as error:
            failure = error
        taken_ms = (time.perf_counter() - begun) * 1000
        if failure is None:
            size = sum(array.nbytes for array in answer.values())
            wrong = fault(answer)
            failure = ValueError(wrong) if wrong else None
        self.environment.events.request.fire(
            request_type="gRPC",
            name="gRPC fill_mask",
            response_time=taken_ms,
            response_length=size,
            exception=failure,
            context={},
        )
