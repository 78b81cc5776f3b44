"""Lines about versions of the model that begin to load, are loaded, or cannot be loaded."""

from collections.abc import Callable
from time import monotonic

from bert_mlm_client import ModelStatus, VersionStatus

from deploy.gateway.log.lines import Line, ModelLoad

_LOADING = {"START", "LOADING"}


class LoadLines:
    """Tells what is new in a model's status; a slow load is a WARNING.

    Args:
        tell: takes the lines.
        slow_s: how long a load may take.
        clock: returns seconds that never go back.
    """

    def __init__(
        self, tell: Callable[[Line], object], *, slow_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._tell = tell
        self._slow_s = slow_s
        self._clock = clock
        self._began: dict[int, float] = {}
        self._told: dict[int, str] = {}

    def see(self, status: ModelStatus) -> None:
        """Tell what has changed since the status before; what happens between two looks is not seen."""
        for version in status.versions:
            line = self._line(status.model, version)
            if line and self._told.get(version.version) != line.status:
                self._told[version.version] = line.status
                self._tell(line)
        present = {version.version for version in status.versions}
        for gone in set(self._told) - present:
            del self._told[gone]

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
