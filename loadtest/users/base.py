"""What all users share: the questions, for both protocols made with the server's own vocabulary, and the pace."""

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
"""How many different sentences the users ask, each user beginning at another."""

_numbers = count()


@lru_cache
def questions(url: str, model: str) -> tuple[Request, ...]:
    """Return sentences that the model can read as requests, cut with the vocabulary that the server tells.

    Raises:
        BertMlmError: the server does not answer, or has no such model.
    """
    with FillMask(url, model=model) as client:
        tokenizer = client.tokenizer()
    longest = min(LONGEST, tokenizer.config.max_length - 2)
    return tuple(fill_mask([tokenizer.encode(text)]) for text in masked_sentences(SENTENCES, longest=longest))


def first_question() -> int:
    """Return where the next user begins, so that users do not ask the same sentence at the same time."""
    return next(_numbers) * 37 % SENTENCES


class Arrivals:
    """When one of ``users`` users asks so that all of them together ask ``rate`` times a second, at random.

    Each user's questions are a Poisson process on a schedule of its own, and so are all of them together. A user whose
    answer comes after its next question was due asks at once and catches up, so the rate holds as long as there are
    users enough.
    """

    def __init__(self, rate: float, users: int) -> None:
        self._mean_s = users / rate
        self._random = random.Random()  # noqa: S311 - arrivals, no secret
        self._due = time.perf_counter() + self._draw()

    def wait_s(self) -> float:
        """Return the seconds until the next question is due, 0 if it is late."""
        wait = self._due - time.perf_counter()
        self._due += self._draw()
        return max(0.0, wait)

    def _draw(self) -> float:
        return self._random.expovariate(1 / self._mean_s)


class Asking:
    """A user's questions and their pace, without the protocol."""

    environment: Any  # Locust's, which is not imported here: it patches every process that imports it
    _arrivals: Arrivals | None = None

    @staticmethod
    def address(options: Namespace) -> str:
        """Return the URL that this kind of user asks."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, options: Namespace) -> Sequence[Any]:
        """Make the questions, once a process and before any time is taken; see `questions` for what it raises."""
        return questions(cls.address(options), options.model)

    def begin(self) -> None:
        """Begin the schedule, at ``--rate`` for all users together; without a rate there is none."""
        self._number = first_question()
        options = self.environment.parsed_options
        if options is not None and options.rate:
            self._arrivals = Arrivals(options.rate, options.num_users)

    def next_number(self) -> int:
        """Return which sentence to ask now."""
        self._number = (self._number + 1) % SENTENCES
        return self._number

    def wait_time(self) -> float:
        """Return the seconds to wait before the next question."""
        return self._arrivals.wait_s() if self._arrivals else 0.0
