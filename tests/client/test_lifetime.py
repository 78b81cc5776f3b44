"""Clients in forked processes, after close, and in event loops."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from bert_mlm_client import AsyncFillMask, FillMask, UsageError
from bert_mlm_client.wire.tensors import Array

from tests.client.scripted import Asked, ScriptedModel, grpc_server, rest_server

TEXT = "中国的首[MASK]是北京。"
MANY = ["[MASK]" + "京" * (number % 20) for number in range(200)]
"""Enough texts for several concurrent requests."""

# In a subprocess, because gRPC does not support a fork while this process's server threads run.
FORKED = """
import asyncio, os, sys
from bert_mlm_client import AsyncFillMask, FillMask, UsageError
texts = [["[MASK]" + "京" * (number % 20) for number in range(200)], "[MASK]京", "[MASK]天气"]
questions = texts * 5

async def ask(client):
    return [await client.fill(question) for question in questions]

def answers(client):
    if isinstance(client, AsyncFillMask):
        return asyncio.run(ask(client))
    return [client.fill(question) for question in questions]

client = {client}
expected = answers(client)
child = os.fork()
if child == 0:
    try:
        os._exit(0 if answers(client) == expected else 1)
    except UsageError as error:
        print(error, flush=True)
        os._exit(2)
    finally:
        os._exit(3)
if isinstance(client, FillMask):
    assert answers(client) == expected
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
if isinstance(client, FillMask):
    assert answers(client) == expected
"""


def forked(client: str, environment: dict[str, str]) -> str:
    """Run requests in a process and its fork; return their output."""
    program = FORKED.replace("{client}", client)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_forked_process_and_its_parent_get_their_own_answers(url: str, environment: dict[str, str]) -> None:
    assert forked(f"FillMask({url!r}, timeout=60)", environment) == "0\n"


def test_a_forked_process_has_an_async_client_of_its_own_over_rest(rest_url: str, environment: dict[str, str]) -> None:
    assert forked(f"AsyncFillMask({rest_url!r}, timeout=60)", environment) == "0\n"


def test_a_forked_async_grpc_client_raises_usage_error(grpc_url: str, environment: dict[str, str]) -> None:
    assert "gRPC cannot be used after this fork" in forked(f"AsyncFillMask({grpc_url!r}, timeout=60)", environment)


@dataclass
class Stuck(ScriptedModel):
    """A model that blocks fill_mask until it is released."""

    is_asked: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def predict(self, asked: Asked) -> dict[str, Array]:
        if asked.signature == "fill_mask":
            self.is_asked.set()
            self.goes_on.wait(60)
        return super().predict(asked)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    model = Stuck()
    yield model
    model.goes_on.set()


@pytest.fixture(params=[grpc_server, rest_server])
def stuck_url(request: pytest.FixtureRequest, stuck: Stuck) -> Iterator[str]:
    with request.param(stuck) as url:
        yield url
        stuck.goes_on.set()


QUESTIONS: list[Callable[[Any], Any]] = [
    lambda client: client.fill(TEXT),
    lambda client: client.fill(MANY),
    lambda client: client.model_status(),
]


@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_closed_client_raises_usage_error(url: str, question: Callable[[Any], Any], is_used: bool) -> None:
    client = FillMask(url)
    if is_used:
        client.fill(MANY)
    client.close()
    client.close()
    with pytest.raises(UsageError, match="client is closed"):
        question(client)


@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_closed_async_client_raises_usage_error(
    url: str, question: Callable[[Any], Any], is_used: bool
) -> None:
    client = AsyncFillMask(url)
    if is_used:
        await client.fill(MANY)
    await client.close()
    await client.close()
    with pytest.raises(UsageError, match="client is closed"):
        await question(client)


@pytest.mark.parametrize("texts", [TEXT, MANY], ids=["one", "many"])
def test_a_call_in_flight_at_close_raises_usage_error(stuck_url: str, stuck: Stuck, texts: str | list[str]) -> None:
    client = FillMask(stuck_url, timeout=60)
    errors: list[Exception] = []

    def ask() -> None:
        try:
            client.fill(texts)
        except Exception as error:  # noqa: BLE001  checked below
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert stuck.is_asked.wait(60)
    client.close()
    thread.join(30)
    assert [type(error) for error in errors] == [UsageError]


@pytest.mark.parametrize("texts", [TEXT, MANY], ids=["one", "many"])
async def test_a_task_in_flight_at_close_raises_usage_error(
    stuck_url: str, stuck: Stuck, texts: str | list[str]
) -> None:
    client = AsyncFillMask(stuck_url, timeout=60)
    task = asyncio.create_task(client.fill(texts))
    await asyncio.to_thread(stuck.is_asked.wait, 60)
    await client.close()
    with pytest.raises(UsageError, match="client is closed"):
        await task


async def test_cancelling_a_task_raises_cancelled_error(stuck_url: str, stuck: Stuck) -> None:
    client = AsyncFillMask(stuck_url, timeout=60)
    task = asyncio.create_task(client.fill(TEXT))
    await asyncio.to_thread(stuck.is_asked.wait, 60)
    task.cancel()
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_second_event_loop_is_rejected(url: str) -> None:
    async with AsyncFillMask(url) as client:
        await client.fill(TEXT)

        async def ask(question: Callable[[Any], Any]) -> None:
            await question(client)

        for question in (*QUESTIONS, lambda client: client.close()):
            with pytest.raises(UsageError, match="belongs to the event loop of its first request"):
                await asyncio.to_thread(asyncio.run, ask(question))
        assert await client.fill(TEXT)
