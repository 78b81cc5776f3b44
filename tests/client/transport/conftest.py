"""Fixtures with both kinds of transport behind one blocking interface."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import Request, Retry
from bert_mlm_client.transport import open_async_transport, open_transport

from loadtest.failover import Replica

QUICK = Retry(initial_s=0.001, maximum_s=0.01)
FILL = Request(
    "fill_mask",
    {
        "input_ids": np.array([[2, 4, 3]], np.int32),
        "lengths": np.array([3], np.int32),
        "mask_positions": np.array([[1]], np.int32),
    },
    ("token_ids", "scores"),
)


class Client:
    """A blocking interface to a transport of either kind."""

    def __init__(self, target: Any, *, is_async: bool, **options: Any) -> None:
        self._loop = asyncio.new_event_loop() if is_async else None
        open_either: Callable[..., Any] = open_async_transport if is_async else open_transport
        self.transport = open_either(target, **options)

    def predict(self, request: Request = FILL, timeout: float = 10.0) -> Any:
        return self.run(self.transport.predict(request, timeout=timeout))

    def status(self, timeout: float = 10.0) -> Any:
        return self.run(self.transport.status(timeout=timeout))

    def close(self) -> None:
        self.run(self.transport.close())
        if self._loop:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def run(self, result: Any) -> Any:
        return self._loop.run_until_complete(result) if self._loop else result


Open = Callable[..., Client]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def client(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open transports of both kinds, and close them after the test."""
    opened: list[Client] = []

    def open_one(target: str | Sequence[str], retry: Retry | None = QUICK, **options: Any) -> Client:
        opened.append(Client(target, is_async=request.param, retry=retry, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def replica(light_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Replica]:
    """Make server processes with the light engine, as context managers."""
    work = tmp_path_factory.mktemp("logs")
    return lambda *flags: Replica(light_version.parent, work, "--engine=onnx", *flags)


@pytest.fixture(scope="session")
def server(replica: Callable[..., Replica]) -> Iterator[Replica]:
    """A server shared by all tests."""
    with replica() as running:
        yield running
