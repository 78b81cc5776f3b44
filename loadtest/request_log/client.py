"""Send requests to the gateway and record their outcome.

    python -m loadtest.request_log.client --port 8000 --name 0 --requests 5000 --connections 4 --limit-s 600

Every request has its own X-Request-Id, by which its lines are found. At the end, standard output has a line for each:
the id, the number of sentences, and the status of its answer, or 0 if the connection closed before the answer was
complete. A refused connection does not count as a request; it is retried. An answer without Server-Timing comes from a
gateway that was stopped before it read the request; it logs no sentence, so 0 sentences are recorded.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from itertools import cycle, islice

from loadtest.sentences import masked_sentences

CUT_OFF = 0

_SENTENCES = 240
_BATCH = 3
_EVERY = 10
"""Of this many requests, one each is a batch, an explanation and invalid, to cover all kinds of log lines."""

_RECONNECT_S = 0.02
_TIMEOUT_S = 60.0

Question = tuple[str, bytes, int]
"""The path, the body, and how many sentences it has."""


def questions() -> list[Question]:
    """Return single sentences, batches, explanations and texts without [MASK]."""
    texts = masked_sentences(_SENTENCES)
    asked = []
    for number, text in enumerate(texts):
        match number % _EVERY:
            case 3:
                batch = list(islice(cycle(texts), number, number + _BATCH))
                asked.append(("/v1/fill-mask", _json({"inputs": batch}), _BATCH))
            case 5:
                explained = {"inputs": text, "parameters": {"method": "attention"}}
                asked.append(("/v1/explain", _json(explained), 1))
            case 7:
                asked.append(("/predict", _json({"text": text.replace("[MASK]", "")}), 1))
            case _:
                asked.append(("/predict", _json({"text": text, "top_k": 5}), 1))
    return asked


def ask(port: int, name: str, asked: Sequence[Question], requests: int, deadline: float) -> list[str]:
    """Send requests over one connection, reconnecting as needed.

    Args:
        port: of 127.0.0.1.
        name: prefix of the request ids.
        asked: the requests, sent in order and repeatedly.
        requests: number of answers to collect.
        deadline: time limit, by `time.monotonic`.

    Returns:
        A line for each request.
    """
    ended: list[str] = []
    answered = 0
    connection = None
    for number, (path, body, size) in enumerate(cycle(asked)):
        if answered == requests:
            break
        while connection is None:
            if time.monotonic() > deadline:
                return ended
            connection = _connect(port)
        request_id = f"{name}-{number}"
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", "X-Request-Id": request_id})
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            status, sentences = CUT_OFF, size
        else:
            status, sentences = response.status, size if "Server-Timing" in response.headers else 0
            answered += 1
        ended.append(f"{request_id} {sentences} {status}")
        if status == CUT_OFF or response.will_close:
            connection.close()
            connection = None
    if connection:
        connection.close()
    return ended


def _connect(port: int) -> HTTPConnection | None:
    """Return a connection, or None after a delay if refused."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.connect()
    except OSError:
        time.sleep(_RECONNECT_S)
        return None
    return connection


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Send requests over several connections and print their outcomes."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.request_log.client", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True, help="prefix of its request ids")
    parser.add_argument("--requests", type=int, required=True, help="how many are to be answered")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--limit-s", type=float, required=True, help="when to stop in any case")
    options = parser.parse_args(arguments)
    asked = questions()
    deadline = time.monotonic() + options.limit_s
    with ThreadPoolExecutor(options.connections) as pool:
        asking = []
        for number in range(options.connections):
            share = len(range(number, options.requests, options.connections))
            first = number * len(asked) // options.connections
            turned = asked[first:] + asked[:first]
            asking.append(pool.submit(ask, options.port, f"{options.name}-{number}", turned, share, deadline))
        for one in asking:
            print("\n".join(one.result()))


if __name__ == "__main__":
    main()
