"""Register the metrics read from other components."""

from collections.abc import Callable, Sequence

from bert_mlm_client import __version__

from deploy.gateway.alerts.evaluator import Alerts
from deploy.gateway.alerts.table import ALERTS
from deploy.gateway.alerts.webhook import Webhook
from deploy.gateway.classifier import Classifier
from deploy.gateway.consistency.check import Check, Consistency
from deploy.gateway.log.gpu import GpuUsage
from deploy.gateway.log.resources import ProcessUsage, Resources
from deploy.gateway.log.writer import LineWriter
from deploy.gateway.middleware.concurrency import ConcurrencySlots
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.telemetry.metrics import Metrics, Reading

_MB = 2**20


def read_into(
    metrics: Metrics,
    slots: ConcurrencySlots,
    watch: ModelWatch,
    writers: Sequence[LineWriter],
    resources: Callable[[], Resources | None],
) -> None:
    """Register the metrics of these components.

    The first writer writes the file, the second one standard output.
    """
    file, *stdout = writers
    metrics.read("gateway_in_flight", lambda: {(): slots.in_flight})
    metrics.read("gateway_queue", lambda: {(): slots.waiting})
    metrics.read("gateway_model_ready", lambda: {(): float(watch.ready)})
    metrics.read("gateway_model_version", lambda: _reading(watch.version))
    metrics.read("gateway_log_lines", lambda: _log_lines(file))
    if stdout:
        metrics.read("gateway_stdout_lines", lambda: _log_lines(stdout[0]))
    metrics.read("gateway_log_waiting_bytes", lambda: {(): file.status.bytes_waiting})
    metrics.read("gateway_cpu_percent", lambda: _of_processes(resources(), lambda usage: usage.cpu_percent))
    metrics.read("gateway_memory_bytes", lambda: _of_processes(resources(), lambda usage: usage.memory_mb * _MB))
    metrics.read("gateway_gpu_memory_bytes", lambda: _of_gpu(resources(), lambda gpu: gpu.memory_mb * _MB))
    metrics.read("gateway_gpu_utilization_percent", lambda: _of_gpu(resources(), lambda gpu: gpu.utilization_percent))


def read_alerts_into(metrics: Metrics, alerts: Alerts, webhook: Webhook | None) -> None:
    """Register the metrics of alerts and their deliveries."""
    names = [one.name for one in ALERTS]
    metrics.read("gateway_alert_firing", lambda: {(name,): float(name in alerts.firing) for name in names})
    metrics.read("gateway_alerts", lambda: {(name,): alerts.begun[name] for name in names})
    deliveries = webhook.deliveries if webhook else {}
    metrics.read("gateway_webhook_deliveries", lambda: {(outcome,): count for outcome, count in deliveries.items()})


def read_consistency_into(metrics: Metrics, consistency: Consistency, *, model_name: str) -> None:
    """Register the drift and the build.

    The build has the engine that the latest check found.
    """
    metrics.read("gateway_output_drift", lambda: _reading(consistency.drift and consistency.drift[0]))
    metrics.read("gateway_build_info", lambda: {_build(consistency.latest, model_name): 1.0})


def read_classifier_into(metrics: Metrics, classifier: Classifier | None) -> None:
    """Register the metrics of the classifier, if there is one."""
    if classifier is None:
        return
    watch, consistency = classifier.served.watch, classifier.consistency
    metrics.read("gateway_classifier_ready", lambda: {(): float(watch.ready)})
    metrics.read("gateway_classifier_version", lambda: _reading(watch.version))
    metrics.read("gateway_classifier_drift", lambda: _reading(consistency.drift and consistency.drift[0]))


def _build(latest: Check | None, model_name: str) -> tuple[str, str, str, str]:
    """Return the label values of gateway_build_info."""
    engine = (latest and latest.engine) or "unknown"
    return __version__, model_name, engine, (latest and latest.precision) or "unknown"


def _reading(value: float | None) -> Reading:
    return {} if value is None else {(): value}


def _log_lines(writer: LineWriter) -> Reading:
    status = writer.status
    return {("written",): status.lines_written, ("lost",): sum(status.lines_lost.values())}


def _of_processes(resources: Resources | None, value: Callable[[ProcessUsage], float]) -> Reading:
    processes = {"gateway": resources.gateway, "server": resources.server} if resources else {}
    return {(name,): value(usage) for name, usage in processes.items() if usage}


def _of_gpu(resources: Resources | None, value: Callable[[GpuUsage], float | None]) -> Reading:
    return _reading(value(resources.gpu)) if resources and resources.gpu else {}
