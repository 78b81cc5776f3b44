"""Observe a fault in log, metrics, health, webhook and dashboard."""

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2

from deploy.gateway.report.words import ENGLISH
from tests.deploy.gateway.alerts.conftest import Receiver
from tests.deploy.gateway.conftest import SENTENCE, Gateway, wait_until

Row = Mapping[str, str]
STATES = {"firing": ENGLISH.firing, "resolved": ENGLISH.resolved}


@dataclass(slots=True)
class Observed:
    """A gateway and its webhook receiver."""

    gateway: Gateway
    receiver: Receiver
    minutes: Iterator[int] = field(default_factory=lambda: itertools.count(60))

    def log(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the log's lines that have these values."""
        return self.gateway.lines(**wanted)

    def metric(self, name: str) -> float | None:
        """Return a sample by its name with labels, None if it is absent."""
        return self.gateway.metrics().get(name)

    def health(self) -> tuple[int, Any]:
        """Return status and document of /healthz."""
        response = self.gateway.ask("GET", "/healthz")
        return response.status_code, response.json()

    def webhook(self, alert: str) -> list[str]:
        """Return the webhook's notices about an alert, in order."""
        told = [one.document for one in self.receiver.received]
        return [document["status"] for document in told if document["alert"] == alert]

    def dashboard(self, title: str) -> Sequence[Row]:
        """Return the current rows of a dashboard table, by column name.

        Each call uses another range, since reports are cached for some seconds.
        """
        parameters = {"since": f"{next(self.minutes)}m", "lang": "en"}
        response = self.gateway.ask("GET", "/dashboard", params=parameters)
        assert response.status_code == 200, response.text
        return _Tables(response.text).rows(title)

    def wait_for_alert(self, name: str, status: str) -> None:
        """Wait until all five places report that an alert fires, or has fired once and ended."""
        self.wait_for_news(name, status)
        self.wait_for_records(name, status)

    def wait_for_news(self, name: str, status: str) -> None:
        """Wait for metrics, health and webhook, which need no log file."""
        fires = status == "firing"
        wait_until(lambda: self.metric(f'gateway_alert_firing{{alert="{name}"}}') == fires)
        wait_until(lambda: (name in [one["alert"] for one in self.health()[1]["alerts"]]) == fires)
        wait_until(lambda: self.webhook(name) == _history(status))
        assert self.metric(f'gateway_alerts_total{{alert="{name}"}}') == 1

    def wait_for_records(self, name: str, status: str) -> None:
        """Wait for the log and the dashboard, which need the log file."""
        wait_until(lambda: [line["status"] for line in self.log(module="alert", task=name)] == _history(status))
        assert self.log(module="alert", task=name)[-1]["level"] == ("WARNING" if status == "firing" else "INFO")
        shown = {ENGLISH.alert: name, ENGLISH.status: STATES[status], ENGLISH.fired: "1"}
        wait_until(lambda: any(shown.items() <= row.items() for row in self.dashboard(ENGLISH.alerts)))


def _history(status: str) -> list[str]:
    return ["firing"] if status == "firing" else ["firing", "resolved"]


@contextmanager
def questions(gateway: Gateway) -> Iterator[list[httpx2.Response]]:
    """Send requests from four threads during the block, and collect the answers."""
    answers: list[httpx2.Response] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(gateway.post("/predict", {"text": SENTENCE}))

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(4)]
        try:
            yield answers
        finally:
            done.set()
    for one in asking:
        one.result()


class _Tables(HTMLParser):
    """The tables of a page by their titles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._cells: dict[str, list[list[str]]] = defaultdict(list)
        self._title = ""
        self._in_cell = False
        self.feed(page)

    def rows(self, title: str) -> Sequence[Row]:
        header, *rows = [[cell.strip() for cell in row] for row in self._cells[title]] or [[]]
        return [dict(zip(header, row, strict=True)) for row in rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        match tag:
            case "table":
                self._title = dict(attrs)["aria-label"] or ""
            case "tr":
                self._cells[self._title].append([])
            case "th" | "td":
                self._cells[self._title][-1].append("")
                self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"th", "td"}:
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self._cells[self._title][-1][-1] += data
