"""Requests and pace shared by all users."""

import random
import time
from argparse import Namespace
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any

from bert_mlm_client import FillMask
from bert_mlm_client.transport import Request

from loadtest.questions import fill_mask
from loadtest.sentences import LONGEST, masked_sentences

SENTENCES = 400
"""Number of distinct sentences; each user starts at a different one."""

_numbers = count()


@lru_cache
def questions(url: str, model: str) -> tuple[Request, ...]:
    """Return requests, tokenized with the vocabulary that the server reports.

    Raises:
        BertMlmError: the server does not answer, or does not have the model.
    """
    with FillMask(url, model=model) as client:
        tokenizer = client.tokenizer()
    longest = min(LONGEST, tokenizer.config.max_length - 2)
    return tuple(fill_mask([tokenizer.encode(text)]) for text in masked_sentences(SENTENCES, longest=longest))


def first_question() -> int:
    """Return the next user's first sentence, different for each user."""
    return next(_numbers) * 37 % SENTENCES


class Arrivals:
    """Poisson arrivals of one user at its share of ``rate``.

    Each user follows its own schedule; the sum of Poisson processes is again one. A user whose answer arrives after its
    next request was due sends that at once and catches up, so the rate holds as long as there are enough users.
    """

    def __init__(self, rate: float, users: int) -> None:
        self._mean_s = users / rate
        self._random = random.Random()  # noqa: S311 - arrivals, no secret
        self._due = time.perf_counter() + self._draw()

    def wait_s(self) -> float:
        """Return the seconds until the next request is due."""
        wait = self._due - time.perf_counter()
        self._due += self._draw()
        return max(0.0, wait)

    def _draw(self) -> float:
        return self._random.expovariate(1 / self._mean_s)


class PacedRequests:
    """Requests and pace of a user, independent of the protocol."""

    environment: Any  # Locust's Environment; importing Locust would patch this process
    _arrivals: Arrivals | None = None

    @staticmethod
    def address(options: Namespace) -> str:
        """Return the base URL for this kind of user."""
        raise NotImplementedError  # each protocol has its own

    @classmethod
    def prepare(cls, options: Namespace) -> Sequence[Any]:
        """Build the requests once per process (raises as `questions` does)."""
        return questions(cls.address(options), options.model)

    def begin(self) -> None:
        """Start the schedule if ``--rate`` is given."""
        self._number = first_question()
        options = self.environment.parsed_options
        if options is not None and options.rate:
            self._arrivals = Arrivals(options.rate, options.num_users)

    def next_number(self) -> int:
        """Return the number of the next sentence."""
        self._number = (self._number + 1) % SENTENCES
        return self._number

    def wait_time(self) -> float:
        """Return the seconds to wait before the next request."""
        return self._arrivals.wait_s() if self._arrivals else 0.0
