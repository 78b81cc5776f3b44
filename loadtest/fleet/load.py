"""Send steady load through the gateway and the client.

    python -m loadtest.fleet.load --target grpc://bert-fleet:8500 --gateway-port 8000 --output calls.jsonl

Runs until SIGTERM. Each connection sends a request every connections / rate seconds; one that is late continues from
there, without a burst.
"""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path

from bert_mlm_client import BertMlmError, FillMask

from loadtest.failover import MODEL
from loadtest.fleet.calls import Call, CallFile
from loadtest.sentences import masked_sentences

_EXTRA_S = 20.0  # of the HTTP timeout beyond the gateway's own
_SENTENCES = 64
_LONGEST = 24

Ask = Callable[[str], None]


class CallError(Exception):
    """A call without an answer."""


class GatewayConnection:
    """Ask the gateway over one connection."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def __call__(self, sentence: str) -> None:
        """Ask for a sentence.

        Raises:
            CallError: no answer, or not one with status 200.
        """
        body = json.dumps({"text": sentence, "top_k": 1}).encode()
        try:
            self._connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()  # the next request opens it again
            msg = f"{type(error).__name__}: {error}"
            raise CallError(msg) from error
        if response.status != 200:
            msg = f"HTTP {response.status}: {content[:300].decode(errors='replace')}"
            raise CallError(msg)


def send(ask: Ask, path: str, *, number: int, plan: argparse.Namespace, calls: CallFile, over: threading.Event) -> None:
    """Send requests at a steady rate until the event.

    Args:
        ask: sends one request.
        path: its name in the calls.
        number: the connection's number, from 0.
        plan: number of connections and rate of the path.
        calls: the calls are written there.
        over: ends it.
    """
    period = plan.connections / plan.rate
    due = time.monotonic() + period * number / plan.connections  # evenly spread over the period
    for sentence in cycle(masked_sentences(_SENTENCES, longest=_LONGEST)[number:]):
        if over.wait(max(0.0, due - time.monotonic())):
            return
        begun = time.monotonic()
        error = ""
        try:
            ask(sentence)
        except (BertMlmError, CallError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        ended = time.monotonic()
        calls.write(Call(ended, path, (ended - begun) * 1000, error))
        due = max(due + period, ended)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send steady load through the gateway and the client."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.fleet.load", description=main.__doc__)
    parser.add_argument("--target", required=True, help="address of the servers")
    parser.add_argument("--gateway-port", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="file for the calls")
    parser.add_argument("--connections", type=int, default=8, help="of each path (8)")
    parser.add_argument("--rate", type=float, default=40.0, help="calls a second of each path (40)")
    parser.add_argument("--timeout-s", type=float, default=10.0, help="deadline of a call (10)")
    options = parser.parse_args(arguments)
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with CallFile(options.output) as calls, FillMask(options.target, model=MODEL, timeout=options.timeout_s) as client:
        client.tokenizer()

        def ask_client(sentence: str) -> None:
            client.fill(sentence, top_k=1)

        threads = []
        for number in range(options.connections):
            gateway = GatewayConnection(options.gateway_port, options.timeout_s + _EXTRA_S)
            asks: tuple[tuple[str, Ask], ...] = (("gateway", gateway), ("client", ask_client))
            for path, ask in asks:
                shared = {"number": number, "plan": options, "calls": calls, "over": over}
                threads.append(threading.Thread(target=send, args=[ask, path], kwargs=shared))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
