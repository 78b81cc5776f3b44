"""Load a gateway and read its metrics."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from loadtest.processes import http
from loadtest.sentences import masked_sentences

_SENTENCES = 120
_TIMEOUT_S = 60.0
_RETRY_S = 0.1


def gauges(port: int) -> dict[str, float]:
    """Return a gateway's gauges without labels.

    Raises:
        OSError: it does not answer, or not with 200.
    """
    try:
        return parse(http(port, "GET", "/metrics").decode())
    except HTTPException as error:
        raise OSError(str(error)) from error


def parse(text: str) -> dict[str, float]:
    """Parse the values without labels in Prometheus's text format."""
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


@contextmanager
def load(port: int, connections: int, sentences: int) -> Iterator[Counter[int]]:
    """Keep requests outstanding on every connection during the block.

    Args:
        port: of the gateway.
        connections: number of connections, each with one request at a time.
        sentences: number of sentences in a request.

    Yields:
        The number of answers by status, which is complete after the block; 0 is no answer.
    """
    stopped, statuses = threading.Event(), Counter[int]()
    texts = masked_sentences(_SENTENCES)

    def ask(first: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        while not stopped.is_set():
            # Another request each time: the gateway answers equal ones together.
            first = (first + 1) % (len(texts) - sentences)
            body = json.dumps({"inputs": texts[first : first + sentences]})
            try:
                connection.request("POST", "/v1/fill-mask", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, HTTPException):
                connection.close()
                status = 0
            statuses[status] += 1
            if status != 200:
                time.sleep(_RETRY_S)
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
