"""Test deliveries to a receiver, with order, retries and a secret URL."""

import logging
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from deploy.gateway.alerts import webhook as module
from deploy.gateway.alerts.notice import Notice
from deploy.gateway.alerts.webhook import Outcome, Webhook
from deploy.gateway.settings import WebhookFormat
from tests.deploy.gateway.alerts.conftest import Received, Receiver, Reply
from tests.support.waiting import async_wait_until

TOKEN = "token-of-this-test"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait only briefly for the next attempt."""
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.05)


def notice(number: int = 0, *, ended_at: float | None = None) -> Notice:
    return Notice(
        id=f"id-{number}",
        alert="mean_latency",
        status="firing" if ended_at is None else "resolved",
        value=612.5,
        threshold=500.0,
        model_name="bert_mlm",
        gateway="host-1",
        started_at=1_775_384_625.25,
        ended_at=ended_at,
        message="Sentences take 612.5 ms on average, more than 500 ms.",
    )


async def deliver(webhook: Webhook, outcome: Outcome, count: int = 1) -> None:
    """Send a notice and wait for a number of outcomes."""
    async with webhook.delivering():
        webhook.send(notice())
        await async_wait_until(lambda: webhook.deliveries[outcome] >= count)


def ids(received: list[Received]) -> list[str]:
    return [one.document["id"] for one in received]


async def test_a_notice_says_what_how_much_where_and_since_when(receiver: Receiver) -> None:
    webhook = Webhook(receiver.url, token=TOKEN)
    async with webhook.delivering():
        webhook.send(notice(1))
        webhook.send(notice(2, ended_at=1_775_384_700.5))
        await async_wait_until(lambda: webhook.deliveries["delivered"] == 2)
    begun, ended = receiver.received
    assert begun.path == "/hook/secret-in-path"
    assert begun.headers["Authorization"] == f"Bearer {TOKEN}"
    assert begun.headers["Idempotency-Key"] == '"id-1"'
    assert begun.headers["Content-Type"] == "application/json"
    assert begun.document == {
        "id": "id-1",
        "alert": "mean_latency",
        "status": "firing",
        "value": 612.5,
        "threshold": 500.0,
        "model_name": "bert_mlm",
        "gateway": "host-1",
        "started_at": "2026-04-05T10:23:45.250Z",
        "message": "Sentences take 612.5 ms on average, more than 500 ms.",
    }
    assert (ended.document["status"], ended.document["ended_at"]) == ("resolved", "2026-04-05T10:25:00.500Z")


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ("slack", ["text"]),
        ("feishu", ["content", "text"]),
        ("dingtalk", ["text", "content"]),
        ("wecom", ["text", "content"]),
    ],
)
async def test_a_group_robot_gets_one_line_of_text_where_it_looks_for_it(
    receiver: Receiver, form: WebhookFormat, path: list[str]
) -> None:
    receiver.replies.append(Reply(body=b'{"errcode": 0, "code": 0, "errmsg": "ok"}'))
    await deliver(Webhook(receiver.url, form=form), "delivered")
    found = receiver.received[0].document
    if form != "slack":
        assert found["msg_type" if form == "feishu" else "msgtype"] == "text"
    for name in path:
        found = found[name]
    assert found == (
        "[FIRING] mean_latency (bert_mlm on host-1): Sentences take 612.5 ms on average, more than 500 ms."
    )


async def test_a_robot_that_refuses_with_status_200_has_refused(receiver: Receiver) -> None:
    receiver.replies.append(Reply(body=b'{"errcode": 310000, "errmsg": "keywords not in content"}'))
    await deliver(Webhook(receiver.url, form="dingtalk"), "refused")
    assert len(receiver.received) == 1


async def test_a_robot_that_is_sent_too_much_is_asked_again(receiver: Receiver) -> None:
    receiver.replies.append(Reply(body=b'{"errcode": 45009, "errmsg": "api freq out of limit"}'))
    await deliver(Webhook(receiver.url, form="wecom"), "delivered")
    assert len(receiver.received) == 2


async def test_an_error_of_the_receiver_is_tried_again_with_the_same_id(receiver: Receiver) -> None:
    receiver.replies.extend([Reply(500), Reply(503)])
    webhook = Webhook(receiver.url)
    await deliver(webhook, "delivered")
    assert ids(receiver.received) == ["id-0"] * 3
    assert {one.headers["Idempotency-Key"] for one in receiver.received} == {'"id-0"'}
    assert webhook.deliveries["retried"] == 2


async def test_too_many_requests_are_tried_again_when_the_receiver_says(receiver: Receiver) -> None:
    receiver.replies.append(Reply(429, {"Retry-After": "1"}))
    began = monotonic()
    await deliver(Webhook(receiver.url), "delivered")
    assert monotonic() - began >= 1
    assert len(receiver.received) == 2


@pytest.mark.parametrize("status", [302, 400, 401, 404])
async def test_what_will_not_change_is_not_tried_again(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.replies.append(Reply(status, {"Location": receiver.url}))
    webhook = Webhook(receiver.url, token=TOKEN)
    await deliver(webhook, "refused")
    assert len(receiver.received) == 1
    assert f"127.0.0.1 refuses the alert mean_latency (HTTP {status}); check GATEWAY_ALERT_WEBHOOK" in caplog.text


async def test_a_receiver_that_is_away_gets_everything_in_order_when_it_is_back(
    deaf_receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "deploy")
    webhook = Webhook(deaf_receiver.url, token=TOKEN)
    async with webhook.delivering():
        for number in range(5):
            webhook.send(notice(number))
        await async_wait_until(lambda: webhook.deliveries["retried"] >= 3)
        deaf_receiver.listen()
        await async_wait_until(lambda: webhook.deliveries["delivered"] == 5)
    assert ids(deaf_receiver.received) == [f"id-{number}" for number in range(5)]
    assert caplog.text.count("failed (no connection: ") == 1
    assert caplog.text.count("accepts alerts again") == 1
    assert "secret-in-path" not in caplog.text
    assert TOKEN not in caplog.text


async def test_a_connection_that_breaks_off_is_tried_again(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    receiver.gate.clear()
    webhook = Webhook(receiver.url)
    async with webhook.delivering():
        webhook.send(notice())
        await async_wait_until(lambda: webhook.deliveries["retried"] >= 1)
        receiver.gate.set()
        await async_wait_until(lambda: webhook.deliveries["delivered"] == 1)
    assert set(ids(receiver.received)) == {"id-0"}


async def test_what_is_too_old_is_given_up_for_what_comes_after(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    receiver.replies.append(Reply(500))
    webhook = Webhook(receiver.url)
    async with webhook.delivering():
        monkeypatch.setattr(module, "EXPIRES_S", -1.0)
        webhook.send(notice(1))
        webhook.send(notice(2))
        await async_wait_until(lambda: webhook.deliveries["delivered"] == 1)
    assert webhook.deliveries["expired"] == 1
    assert ids(receiver.received) == ["id-1", "id-2"]


async def test_when_too_many_wait_the_oldest_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setattr(module, "CAPACITY", 2)
    webhook = Webhook(receiver.url)
    for number in range(4):
        webhook.send(notice(number))
    async with webhook.delivering():
        await async_wait_until(lambda: webhook.deliveries["delivered"] == 2)
    assert ids(receiver.received) == ["id-2", "id-3"]
    assert webhook.deliveries["dropped"] == 2


async def test_the_end_delivers_what_waits(receiver: Receiver) -> None:
    webhook = Webhook(receiver.url)
    async with webhook.delivering():
        for number in range(3):
            webhook.send(notice(number))
    assert ids(receiver.received) == ["id-0", "id-1", "id-2"]
    assert webhook.deliveries["dropped"] == 0


async def test_the_end_waits_no_longer_than_it_says_for_a_slow_receiver(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.2)
    receiver.gate.clear()
    webhook = Webhook(receiver.url)
    began = monotonic()
    async with webhook.delivering():
        webhook.send(notice(1))
        webhook.send(notice(2))
    assert monotonic() - began < 5
    assert webhook.deliveries["dropped"] == 2
    assert "2 notices were not delivered to 127.0.0.1 before the stop" in caplog.text


async def test_the_end_does_not_wait_for_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch, deaf_receiver: Receiver
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 1000.0)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 1000.0)
    webhook = Webhook(deaf_receiver.url)
    began = monotonic()
    async with webhook.delivering():
        webhook.send(notice())
        await async_wait_until(lambda: webhook.deliveries["retried"] >= 1)
    assert monotonic() - began < module.CLOSE_S
    assert webhook.deliveries["dropped"] == 1


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a self-signed certificate of localhost with its key."""
    file = tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
    made = subprocess.run(
        ["openssl", "req", *new, *subject, "-keyout", "-", "-out", "-"], check=True, capture_output=True
    )
    file.write_bytes(made.stdout)
    return file


async def test_only_a_receiver_with_a_trusted_certificate_gets_anything(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(certificate)
    receiver.listen()
    try:
        webhook = Webhook(receiver.url, token=TOKEN)
        await deliver(webhook, "retried")
        assert receiver.received == []
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text.upper()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as for an authority of one's own
        await deliver(Webhook(receiver.url), "delivered")
    finally:
        receiver.close()
    assert ids(receiver.received) == ["id-0"]


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("", 0.0), ("soon", 0.0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0)]
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float) -> None:
    assert module._retry_after_s(value) == seconds
