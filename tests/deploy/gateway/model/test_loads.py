from bert_mlm_client import ModelStatus, VersionStatus

from deploy.gateway.log.lines import Line, ModelLoad
from deploy.gateway.model.loads import LoadLines
from tests.deploy.gateway.conftest import Gateway


class Told(list[Line]):
    def see(self, *versions: VersionStatus) -> list[tuple[str, int | None, float | None]]:
        """Observe a status and return the emitted lines."""
        self.clear()
        self.lines.observe(ModelStatus("m", versions))
        return [(line.status, line.model_version, line.load_time_ms) for line in self if isinstance(line, ModelLoad)]

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lines = LoadLines(self.append, slow_s=10, clock=lambda: self.now)


def version(number: int, state: str, code: str = "OK", message: str = "") -> VersionStatus:
    return VersionStatus(number, state, code, message)


def test_a_load_is_told_at_its_beginning_and_its_end_with_its_time() -> None:
    told = Told()
    assert told.see(version(1, "AVAILABLE")) == [("success", 1, None)]
    assert told.see(version(1, "AVAILABLE")) == []
    assert told.see(version(2, "LOADING"), version(1, "AVAILABLE")) == [("start", 2, None)]
    told.now = 4
    assert told.see(version(2, "LOADING"), version(1, "AVAILABLE")) == []
    told.now = 9
    assert told.see(version(2, "AVAILABLE"), version(1, "UNLOADING")) == [("success", 2, 9000.0)]
    assert told[0].level is None


def test_a_slow_load_is_a_warning_with_its_limit() -> None:
    told = Told()
    told.see(version(1, "LOADING"))
    told.now = 11
    assert told.see(version(1, "AVAILABLE")) == [("success", 1, 11_000.0)]
    [line] = told
    assert isinstance(line, ModelLoad)
    assert (line.level, line.threshold) == ("WARNING", 10_000)


def test_a_load_that_fails_says_why_once_and_a_version_that_comes_again_is_new() -> None:
    told = Told()
    assert told.see(version(1, "END", "NOT_FOUND", "no such file")) == [("failed", 1, None)]
    [line] = told
    assert isinstance(line, ModelLoad)
    assert (line.error_type, line.error) == ("NOT_FOUND", "no such file")
    assert told.see(version(1, "END", "NOT_FOUND", "no such file")) == []
    assert told.see() == []
    assert told.see(version(1, "AVAILABLE")) == [("success", 1, None)]


def test_the_gateway_tells_which_version_it_found(gateway: Gateway) -> None:
    [line] = gateway.wait_for_lines(1, task="model_load", status="success")
    assert (line["model_name"], line["model_version"], line["level"]) == ("bert_mlm", 1, "INFO")
