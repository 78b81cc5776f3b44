"""Log the loads of model versions."""

from collections.abc import Callable
from time import monotonic

from bert_mlm_client import ModelStatus, VersionStatus

from deploy.gateway.log.lines import Line, ModelLoad

_LOADING = {"START", "LOADING"}


class LoadLines:
    """Log each change of a version's load state.

    A slow load is a WARNING.

    Args:
        emit: takes the lines.
        slow_s: the load time above which a load is slow.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self, emit: Callable[[Line], object], *, slow_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._emit = emit
        self._slow_s = slow_s
        self._clock = clock
        self._began: dict[int, float] = {}
        self._emitted: dict[int, str] = {}

    def observe(self, status: ModelStatus) -> None:
        """Emit lines for the changes since the previous status."""
        for version in status.versions:
            line = self._line(status.model, version)
            if line and self._emitted.get(version.version) != line.status:
                self._emitted[version.version] = line.status
                self._emit(line)
        present = {version.version for version in status.versions}
        for gone in set(self._emitted) - present:
            del self._emitted[gone]

    def _line(self, model: str, version: VersionStatus) -> ModelLoad | None:
        number = version.version
        if version.error_code != "OK":
            return ModelLoad(
                status="failed",
                model_name=model,
                model_version=number,
                error_type=version.error_code,
                error=version.error_message,
            )
        if version.state in _LOADING:
            self._began.setdefault(number, self._clock())
            return ModelLoad(status="start", model_name=model, model_version=number)
        began = self._began.pop(number, None)
        if version.state != "AVAILABLE":
            return None
        seconds = None if began is None else self._clock() - began
        is_slow = seconds is not None and seconds > self._slow_s
        return ModelLoad(
            level="WARNING" if is_slow else None,
            status="success",
            model_name=model,
            model_version=number,
            load_time_ms=None if seconds is None else seconds * 1000,
            threshold=self._slow_s * 1000 if is_slow else None,
        )
