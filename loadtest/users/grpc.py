"""A user of the gRPC API, through the client's own transport."""

import time
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import grpc.experimental.gevent
from bert_mlm_client import BertMlmError
from bert_mlm_client.transport import open_transport
from locust import User, task

from loadtest.users.answers import fault
from loadtest.users.base import Asking

_TIMEOUT_S = 30.0


class GrpcUser(Asking, User):
    """Calls Predict at ``--grpc``, one sentence after another, on a channel of its own."""

    @staticmethod
    def address(options: Namespace) -> str:
        """Return the gRPC API's address."""
        return str(options.grpc)

    @classmethod
    def prepare(cls, options: Namespace) -> Sequence[Any]:
        """Make the questions, and let gRPC, which waits in C, make way for other users while it does."""
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
        """Ask one sentence, check the answer, and tell Locust how long it took on this side."""
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
