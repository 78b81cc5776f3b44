"""Define the type of exchanges."""

from collections.abc import Generator, Sequence
from typing import TypeVar

from bert_mlm_client.transport.base import Answer, Request

Result = TypeVar("Result")
Exchange = Generator[Sequence[Request], Sequence[Answer], Result]
