"""Generate MONITORING.md from a template and tables of the code."""

from collections.abc import Iterable, Sequence
from dataclasses import MISSING
from dataclasses import fields as dataclass_fields
from pathlib import Path
from string import Template
from textwrap import indent

from bert_mlm_client import VersionStatus

from deploy.gateway.alerts import table as alerts
from deploy.gateway.consistency.check import Check
from deploy.gateway.dashboard.reports import CACHE_S
from deploy.gateway.log import lines
from deploy.gateway.log.gpu import GpuUsage
from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.redact import redact
from deploy.gateway.log.resources import ProcessUsage
from deploy.gateway.model.description import ModelDescription
from deploy.gateway.settings import SECRETS, describe
from deploy.gateway.telemetry.metrics import table as metrics_table

_TEMPLATE = Path(__file__).parent / "monitoring.template.md"
_RULES = Path(__file__).parents[2] / "prometheus" / "rules" / "gateway.yml"

_AT = 1_775_384_625.125
_ORIGIN = {"instance": "gateway-1", "service_version": "1.4.0"}
_EXAMPLES: tuple[lines.Line, ...] = (
    lines.Inference(
        timestamp=_AT,
        task="mask_prediction",
        status="success",
        request_id="6f1c9a30b7e84d5f8a2e4c1b9d7f3a60",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        model_name="bert_mlm",
        model_version=1,
        batch_size=1,
        input_text=redact("中国的首[MASK]是北京，电话13812345678。"),
        predicted_token="都",  # noqa: S106  a word, not a secret
        score=0.98,
        inference_time_ms=12.7,
        tokenize_time_ms=0.2,
        total_time_ms=14.1,
        gpu_memory_mb=0.0,
    ),
    lines.RefusedRequest(
        timestamp=_AT,
        request_id="0d3b5c1f9a7e4e62b8c4d6f1a2e3b4c5",
        path="/predict",
        status_code=413,
        total_time_ms=0.4,
        sample_rate=0.25,
        error_type="BodyTooLargeError",
        error="the body is larger than 1048576 bytes; send fewer sentences at a time",
    ),
    lines.ModelLoad(
        timestamp=_AT,
        level="WARNING",
        status="success",
        model_name="bert_mlm",
        model_version=2,
        load_time_ms=75_210.4,
        threshold=60_000.0,
    ),
    lines.Device(timestamp=_AT, level="WARNING", status="cpu_fallback", device="cpu", error="GPU is lost"),
    lines.ResourceUsage(
        timestamp=_AT,
        process="server",
        pid=4077,
        cpu_percent=75.3,
        memory_mb=612.4,
        gpu_memory_mb=2310.0,
        gpu_utilization_percent=31.0,
    ),
    lines.Alert(timestamp=_AT, task="mean_latency", status="firing", value=612.5, threshold=500.0),
    lines.Canary(
        timestamp=_AT,
        status="drift",
        model_name="bert_mlm",
        model_version=1,
        total_time_ms=187.2,
        value=0.21,
        threshold=0.05,
    ),
    lines.UnhandledException(
        timestamp=_AT,
        request_id="6f1c9a30b7e84d5f8a2e4c1b9d7f3a60",
        error_type="KeyError",
        error="'logits'",
        traceback='Traceback (most recent call last):\n  File "deploy/gateway/api/questions.py", line 101, in fill\n…',
    ),
    lines.LostLines(timestamp=_AT, lost_lines=17, error="No space left on device"),
)
"""One line of each kind, in the order of ``lines.KINDS``."""


def _names(kind: type) -> str:
    return ", ".join(f"`{one.name}`" for one in dataclass_fields(kind))


HEALTH = {
    "status": "ok; degraded if only the classifier cannot answer; or unavailable. The HTTP status is 503 for the last, "
    "else 200",
    "reason": "why questions cannot be answered; absent if they can",
    "uptime_s": "seconds since the start",
    "in_flight": "questions being answered",
    "queue": "questions waiting in the queue",
    "model.name": "the model's name",
    "model.description": f"the served version by its manifest, null without GATEWAY_MODEL_FOLDER: "
    f"{_names(ModelDescription)}",
    "model.addresses": "the addresses of the model servers; `in-process` with GATEWAY_ENGINE=onnx",
    "model.version": "the newest available version, null without one",
    "model.versions": f"every version with {_names(VersionStatus)}",
    "log.lines_written": "lines in the log since the start",
    "log.lines_lost": "lines lost since the start",
    "log.problem": "why the log cannot be written now, else null",
    "log.stdout": "the same for standard output, null without GATEWAY_LOG_STDOUT=json",
    "resources.gateway": f"the gateway's {_names(ProcessUsage)}",
    "resources.server": "the same for the model server, null if it is not on this machine or has no process of its own",
    "resources.gpu": f"{_names(GpuUsage)}, null without a GPU",
    "alerts": "the firing alerts: `alert` and `since`",
    "consistency": f"the latest check of the answers, null without one: {_names(Check)}",
    "classifier": "the classifier, null without GATEWAY_CLASSIFIER: `name`, `status` (ok or unavailable), `reason` if "
    "unavailable, and `version`, `versions`, `consistency` as above",
}
"""The fields of /healthz."""


def page() -> str:
    """Return MONITORING.md."""
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        keep_s=f"{CACHE_S:g}",
        fields=_table(
            ("field", "type", "meaning", "in lines"),
            ((f"`{one.name}`", one.type, one.meaning, _of_lines(one.lines)) for one in lines.fields()),
        ),
        examples="\n".join(f"    {encode(line, _ORIGIN).decode().rstrip()}" for line in _EXAMPLES),
        metrics=metrics_table(),
        alerts=alerts.table(),
        rules=indent(_RULES.read_text(encoding="utf-8").rstrip(), "    "),
        health=_table(("field", "meaning"), ((f"`{name}`", meaning) for name, meaning in HEALTH.items())),
        secrets=", ".join(f"`{name}`" for name in SECRETS),
        settings=_table(
            ("variable", "default", "meaning"),
            ((f"`{name}`", f"`{default}`" if default else "", about) for name, default, about in describe()),
        ),
    )


def _of_lines(names: Sequence[str]) -> str:
    """Return the modules and fixed tasks of lines."""
    if len(names) == len(lines.KINDS):
        return "all"
    kinds = [kind for kind in lines.KINDS if kind.__name__ in names]
    return ", ".join(_line_name(kind) for kind in kinds)


def _line_name(kind: type[lines.Line]) -> str:
    defaults = [one.default for one in dataclass_fields(kind) if one.name in {"module", "task"}]
    return "/".join(str(default) for default in defaults if default is not MISSING)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    cells = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
