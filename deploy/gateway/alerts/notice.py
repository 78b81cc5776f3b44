"""Format alert notices for webhooks."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deploy.gateway.alerts.table import AlertName
from deploy.gateway.log.json_lines import iso_8601
from deploy.gateway.log.lines import AlertStatus
from deploy.gateway.settings import WebhookFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The start or the end of an alert.

    Attributes:
        id: the id, the same in all retries, so that a receiver can drop duplicates.
        alert: the alert's name.
        status: ``firing`` or ``resolved``.
        value: the measured value; None without data.
        threshold: the limit.
        model_name: the model.
        gateway: the gateway's instance name, by default its host name.
        started_at: the start as Unix time.
        ended_at: the end as Unix time; None while it fires.
        message: a readable sentence.
    """

    id: str
    alert: AlertName
    status: AlertStatus
    value: float | None
    threshold: float
    model_name: str
    gateway: str
    started_at: float
    ended_at: float | None = None
    message: str

    def body(self, form: WebhookFormat) -> Mapping[str, Any]:
        """Return the JSON document in a receiver's format."""
        return _BODIES[form](self)


def _json(notice: Notice) -> Mapping[str, Any]:
    """Return all fields, with times in ISO 8601."""
    document = asdict(notice) | {"started_at": iso_8601(notice.started_at)}
    del document["ended_at"]
    return document if notice.ended_at is None else document | {"ended_at": iso_8601(notice.ended_at)}


def _text(notice: Notice) -> str:
    return f"[{notice.status.upper()}] {notice.alert} ({notice.model_name} on {notice.gateway}): {notice.message}"


# The formats of the receivers' documentation of incoming webhooks (chat bots).
_BODIES: Mapping[WebhookFormat, Callable[[Notice], Mapping[str, Any]]] = {
    "json": _json,
    "slack": lambda notice: {"text": _text(notice)},
    "feishu": lambda notice: {"msg_type": "text", "content": {"text": _text(notice)}},
    "dingtalk": lambda notice: {"msgtype": "text", "text": {"content": _text(notice)}},
    "wecom": lambda notice: {"msgtype": "text", "text": {"content": _text(notice)}},
}
