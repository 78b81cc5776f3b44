"""A process that asks the gateway over some connections and writes down how each request ended.

    python -m loadtest.request_log.asker --port 8000 --name 0 --requests 5000 --connections 4 --limit-s 600

Every request has an X-Request-Id of its own, by which its lines are found. At the end, standard output has a line for
each: the id, how many sentences it had, and the status of its answer, or 0 where the connection ended before the answer
was whole. A request that found nobody to connect to was not asked, and is asked again. An answer without Server-Timing
comes from a gateway that was stopped before it had read the question: it knows of no sentence, and so 0 are counted.
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
"""One request in so many is a batch, and one is wrong: no request's kind is to matter for its lines."""

_AGAIN_S = 0.02
_TIMEOUT_S = 60.0

Question = tuple[str, bytes, int]
"""The path, the body, and how many sentences it has."""


def questions() -> list[Question]:
    """Return what is asked: a sentence each, some of three, some without a [MASK], which is an error with a line."""
    texts = masked_sentences(_SENTENCES)
    asked = []
    for number, text in enumerate(texts):
        match number % _EVERY:
            case 3:
                batch = list(islice(cycle(texts), number, number + _BATCH))
                asked.append(("/v1/fill-mask", _json({"inputs": batch}), _BATCH))
            case 7:
                asked.append(("/predict", _json({"text": text.replace("[MASK]", "")}), 1))
            case _:
                asked.append(("/predict", _json({"text": text, "top_k": 5}), 1))
    return asked


def ask(port: int, name: str, asked: Sequence[Question], requests: int, deadline: float) -> list[str]:
    """Ask over one connection, opened anew whenever it is closed, until so many requests were answered.

    Args:
        port: of 127.0.0.1.
        name: begins the ids of the requests.
        asked: the questions, asked in turn.
        requests: how many are to be answered.
        deadline: when to stop in any case, by `time.monotonic`.

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
    """Return an open connection, or None a moment later if nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.connect()
    except OSError:
        time.sleep(_AGAIN_S)
        return None
    return connection


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask over some connections at a time."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.request_log.asker", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True, help="begins the ids of its requests")
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
