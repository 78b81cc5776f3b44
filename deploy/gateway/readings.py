"""The metrics that are read where they are kept, when Prometheus comes."""

from collections.abc import Callable

from deploy.gateway.limits import Turns
from deploy.gateway.log.gpu import GpuUsage
from deploy.gateway.log.resources import ProcessUsage, Resources
from deploy.gateway.log.writer import LogWriter
from deploy.gateway.metrics import Metrics, Reading
from deploy.gateway.model import ModelWatch

_MB = 2**20


def read_into(
    metrics: Metrics, turns: Turns, watch: ModelWatch, writer: LogWriter, resources: Callable[[], Resources | None]
) -> None:
    """Let the metrics read what these parts know."""
    metrics.read("gateway_in_flight", lambda: {(): turns.in_flight})
    metrics.read("gateway_queue", lambda: {(): turns.waiting})
    metrics.read("gateway_model_ready", lambda: {(): float(watch.ready)})
    metrics.read("gateway_model_version", lambda: _known(watch.version))
    metrics.read("gateway_log_lines", lambda: _log_lines(writer))
    metrics.read("gateway_log_waiting_bytes", lambda: {(): writer.status.bytes_waiting})
    metrics.read("gateway_cpu_percent", lambda: _of_processes(resources(), lambda usage: usage.cpu_percent))
    metrics.read("gateway_memory_bytes", lambda: _of_processes(resources(), lambda usage: usage.memory_mb * _MB))
    metrics.read("gateway_gpu_memory_bytes", lambda: _of_gpu(resources(), lambda gpu: gpu.memory_mb * _MB))
    metrics.read("gateway_gpu_utilization_percent", lambda: _of_gpu(resources(), lambda gpu: gpu.utilization_percent))


def _known(value: float | None) -> Reading:
    return {} if value is None else {(): value}


def _log_lines(writer: LogWriter) -> Reading:
    status = writer.status
    return {("written",): status.lines_written, ("lost",): sum(status.lines_lost.values())}


def _of_processes(resources: Resources | None, value: Callable[[ProcessUsage], float]) -> Reading:
    processes = {"gateway": resources.gateway, "server": resources.server} if resources else {}
    return {(name,): value(usage) for name, usage in processes.items() if usage}


def _of_gpu(resources: Resources | None, value: Callable[[GpuUsage], float | None]) -> Reading:
    return _known(value(resources.gpu)) if resources and resources.gpu else {}
