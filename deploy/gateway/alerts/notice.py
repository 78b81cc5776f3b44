"""What a webhook is told of an alert, in the form that its receiver takes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deploy.gateway.alerts.table import AlertName
from deploy.gateway.log.json_lines import iso_8601
from deploy.gateway.log.lines import AlertStatus
from deploy.gateway.settings import WebhookFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An alert began or ended.

    Attributes:
        id: the same each time that this notice is sent, so that a receiver can drop what it has already.
        alert: its name.
        status: ``firing`` or ``resolved``.
        value: what was measured, None if there is nothing to measure any more.
        threshold: the limit.
        model_name: the model.
        gateway: the host that tells it.
        started_at: when it began, in seconds since 1970.
        ended_at: when it ended, None as long as it has not.
        message: one sentence for people.
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
        """Return the JSON document in a receiver's form."""
        return _BODIES[form](self)


def _json(notice: Notice) -> Mapping[str, Any]:
    """Return every field, as the documentation has them; times as ISO 8601 writes them."""
    document = asdict(notice) | {"started_at": iso_8601(notice.started_at)}
    del document["ended_at"]
    return document if notice.ended_at is None else document | {"ended_at": iso_8601(notice.ended_at)}


def _text(notice: Notice) -> str:
    return f"[{notice.status.upper()}] {notice.alert} ({notice.model_name} on {notice.gateway}): {notice.message}"


# As the receivers' own documentation of incoming webhooks (group robots) has them.
_BODIES: Mapping[WebhookFormat, Callable[[Notice], Mapping[str, Any]]] = {
    "json": _json,
    "slack": lambda notice: {"text": _text(notice)},
    "feishu": lambda notice: {"msg_type": "text", "content": {"text": _text(notice)}},
    "dingtalk": lambda notice: {"msgtype": "text", "text": {"content": _text(notice)}},
    "wecom": lambda notice: {"msgtype": "text", "text": {"content": _text(notice)}},
}
