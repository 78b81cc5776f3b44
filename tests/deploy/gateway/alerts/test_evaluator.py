"""Test that the begin and the end of each alert are reported once."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from bert_mlm_client import BertMlmError, InputError

from deploy.gateway.alerts.evaluator import Alerts, Sources
from deploy.gateway.alerts.table import ALERTS, AlertName, table
from deploy.gateway.consistency.check import Consistency
from deploy.gateway.context import RequestContext, current
from deploy.gateway.log.gpu import GpuUsage
from deploy.gateway.log.lines import Alert, Inference, Line, UnhandledException
from deploy.gateway.log.resources import ProcessUsage, Resources
from deploy.gateway.log.writer import LogWriter, WriterStatus
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.settings import Settings, describe
from deploy.gateway.telemetry.metrics import Metrics
from deploy.gateway.telemetry.recorder import Best, Recorder
from tests.deploy.gateway.conftest import watch_of

GPU = GpuUsage("a GPU", 1000, 50)


@dataclass
class World:
    """The inputs of the alerts, set by tests, and their outputs."""

    now: float = 0.0
    problem: str | None = None
    lost: int = 0
    log_problem: str | None = None
    gpu: GpuUsage | None = None
    drift: tuple[float, float] | None = None
    told: list[Alert] = field(default_factory=list)

    def alerts(self, settings: Settings | None = None) -> Alerts:
        usage = ProcessUsage(1, 1, 1)
        sources = Sources(
            watches=[cast("ModelWatch", self)],
            writers=[cast("LogWriter", self)],
            resources=lambda: Resources(usage, usage, self.gpu),
            checks=[cast("Consistency", self)],
        )
        return Alerts(
            settings or Settings.model_construct(),
            sources,
            emit=self.told.append,
            clock=lambda: self.now,
            wall_clock=lambda: 1_000_000 + self.now,
        )

    @property
    def status(self) -> WriterStatus:
        return WriterStatus(0, {"queue_full": self.lost}, 0, self.log_problem)

    def lines(self) -> list[tuple[str, str]]:
        return [(line.task, line.status) for line in self.told]


@pytest.fixture
def world() -> World:
    return World()


class Log(list[Line]):
    """A log that keeps its lines."""

    write = list.append


def answered(total_ms: float = 10.0, *, is_low: bool = False) -> Inference:
    return Inference(
        task="mask_prediction",
        status="low_confidence" if is_low else "success",
        request_id="r",
        total_time_ms=total_ms,
    )


FAILED = Inference(task="mask_prediction", status="failed", request_id="r", total_time_ms=1.0)
REFUSED = Inference(task="mask_prediction", status="failed", level="WARNING", request_id="r", total_time_ms=1.0)
FAULT = UnhandledException(error_type="E", error="e")


def test_five_errors_in_a_row_are_told_once_and_their_end_is(world: World) -> None:
    alerts = world.alerts()
    for _ in range(4):
        alerts.observe(FAILED)
    assert world.told == []
    for _ in range(3):
        alerts.observe(FAILED)
    assert world.lines() == [("consecutive_errors", "firing")]
    assert (world.told[0].value, world.told[0].threshold) == (5, 5)
    assert alerts.firing == {"consecutive_errors": 1_000_000}
    for _ in range(2):
        alerts.observe(answered())
    assert world.lines()[1:] == [("consecutive_errors", "resolved")]
    assert alerts.firing == {}
    assert alerts.begun["consecutive_errors"] == 1


def test_a_callers_mistake_neither_counts_nor_ends_a_row(world: World) -> None:
    alerts = world.alerts()
    for _ in range(20):
        alerts.observe(REFUSED)
    assert world.told == []
    for line in (FAILED, REFUSED, FAILED, REFUSED, FAILED, REFUSED, FAULT, REFUSED):
        alerts.observe(line)
    assert world.told == []
    alerts.observe(FAULT)
    assert world.lines() == [("consecutive_errors", "firing")]


def test_an_answer_of_low_confidence_is_an_answer(world: World) -> None:
    alerts = world.alerts()
    for line in [FAILED] * 4 + [answered(is_low=True)] + [FAILED] * 4:
        alerts.observe(line)
    assert world.told == []


def test_slow_answers_are_told_once_until_they_are_fast_again(world: World) -> None:
    alerts = world.alerts()
    for _ in range(20):
        alerts.observe(answered(600))
        alerts.observe(REFUSED)  # fast, but not an answer
    for world.now in (1, 2, 3):
        alerts.evaluate()
    assert world.lines() == [("mean_latency", "firing")]
    assert world.told[0].value == 600
    for world.now in range(4, 80):
        alerts.observe(answered(20))
        alerts.evaluate()
    assert world.lines() == [("mean_latency", "firing"), ("mean_latency", "resolved")]
    assert (world.told[1].value or 0) < 500


def test_proofreading_takes_as_long_as_its_text_and_raises_no_alert(world: World) -> None:
    alerts = world.alerts()
    for _ in range(40):
        alerts.observe(Inference(task="proofreading", status="success", request_id="r", total_time_ms=5000.0))
    world.now = 1
    alerts.evaluate()
    assert world.told == []


def test_the_share_of_low_confidence_is_that_of_filled_masks(world: World) -> None:
    alerts = world.alerts()
    similar = Inference(task="semantic_similarity", status="success", request_id="r", total_time_ms=1.0)
    for number in range(22):
        alerts.observe(answered(is_low=number % 2 == 0))
        alerts.observe(similar)
    alerts.evaluate()
    assert world.told == []
    alerts.observe(answered(is_low=True))
    alerts.evaluate()
    assert world.lines() == [("low_confidence_share", "firing")]
    assert world.told[0].value == pytest.approx(12 / 23)


@pytest.mark.parametrize(
    ("name", "begin", "end", "seconds"),
    [
        ("output_drift", {"drift": (0.3, 0.1)}, {"drift": (0.1, 0.1)}, 1),
        ("model_not_ready", {"problem": "gone"}, {"problem": None}, 30),
        ("lost_log_lines", {"lost": 3}, {}, 1),
        ("lost_log_lines", {"log_problem": "disk full"}, {"log_problem": None}, 1),
        ("gpu_lost", {"gpu": None}, {"gpu": GPU}, 1),
    ],
)
def test_what_is_looked_at_is_told_once_each_way(
    world: World, name: AlertName, begin: dict[str, object], end: dict[str, object], seconds: int
) -> None:
    world.gpu = GPU
    alerts = world.alerts()

    def pass_time(count: int) -> None:
        for _ in range(count):
            world.now += 1
            alerts.evaluate()

    pass_time(5)
    assert world.told == []
    for attribute, value in begin.items():
        setattr(world, attribute, value)
    pass_time(seconds)
    assert world.lines() == ([] if seconds > 1 else [(name, "firing")])
    pass_time(100 if name != "lost_log_lines" else 3)
    assert world.lines() == [(name, "firing")]
    for attribute, value in end.items():
        setattr(world, attribute, value)
    pass_time(100)
    assert world.lines() == [(name, "firing"), (name, "resolved")]


def test_a_check_that_failed_changes_nothing(world: World) -> None:
    alerts = world.alerts()
    world.drift = (0.3, 0.1)
    alerts.evaluate()
    world.drift = None
    alerts.evaluate()
    assert list(alerts.firing) == ["output_drift"]


def test_the_worse_of_two_models_counts(world: World) -> None:
    other = World(problem="gone", drift=(0.2, 0.1))
    alerts = world.alerts(Settings.model_construct(alert_not_ready_s=0))
    watches, checks = (
        [cast("ModelWatch", one) for one in (world, other)],
        [cast("Consistency", one) for one in (world, other)],
    )
    alerts._sources = replace(alerts._sources, watches=watches, checks=checks)
    world.drift = (0.01, 0.1)
    alerts.evaluate()
    assert {line.task: line.value for line in world.told} == {"output_drift": 0.2, "model_not_ready": 0}
    other.drift, other.problem = None, None
    alerts.evaluate()
    assert [line.task for line in world.told if line.status == "resolved"] == ["output_drift", "model_not_ready"]


def test_the_limits_are_the_settings(world: World) -> None:
    alerts = world.alerts(
        Settings.model_construct(alert_errors=1, alert_latency_ms=1, alert_min_sentences=1, alert_low_confidence=0)
    )
    alerts.observe(answered(2, is_low=True))
    alerts.evaluate()
    alerts.observe(FAILED)
    assert world.lines() == [
        ("mean_latency", "firing"),
        ("low_confidence_share", "firing"),
        ("consecutive_errors", "firing"),
    ]


def test_every_alert_is_described_with_settings_that_there_are() -> None:
    variables = {variable for variable, _, _ in describe()}
    rows = table().splitlines()
    assert len(rows) == len(ALERTS) + 2
    for one, row in zip(ALERTS, rows[2:], strict=True):
        assert row.startswith(f"| `{one.name}` |")
        assert set(one.settings) <= variables, one.name
        assert one.begun.format(value=1.0, threshold=0.5)
        assert one.ended.format(value=None, threshold=0.5)


def test_the_recorder_passes_every_request_line_to_alerts() -> None:
    seen: list[Inference | UnhandledException] = []
    recorder = Recorder(Log(), Metrics(), model_name="m", watch=watch_of(1), low_confidence=0.5, observe=seen.append)
    context = RequestContext("mine")
    token = current.set(context)
    with recorder.question("mask_prediction", ["一", "二"]) as question:
        question.answers = [Best("a", 0.9), Best("b", 0.4)]
    for act in context.after_response:
        act()
    with suppress(BertMlmError), recorder.question("mask_prediction", ["一"]):
        msg = "no mask"
        raise InputError(msg)
    recorder.unhandled(RuntimeError())
    current.reset(token)
    assert [line.status for line in seen] == ["success", "low_confidence", "failed", "failed"]
    assert [type(line) for line in seen] == [Inference] * 3 + [UnhandledException]
    assert seen[2].level == "WARNING"


def test_a_source_that_fails_is_said_once_and_hides_no_other_alert(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        @property
        def drift(self) -> tuple[float, float]:
            msg = "no drift to be had"
            raise RuntimeError(msg)

    alerts = world.alerts(Settings.model_construct(alert_not_ready_s=0))
    whole = alerts._sources
    alerts._sources = replace(whole, checks=[cast("Consistency", Failing())])
    world.problem = "down"
    for _ in range(3):
        alerts.evaluate()
    assert world.lines() == [("model_not_ready", "firing")]
    assert [record.getMessage() for record in caplog.records] == ["The alert output_drift cannot be evaluated."]
    assert "no drift to be had" in caplog.text
    alerts._sources = whole
    world.drift = (0.2, 0.1)
    alerts.evaluate()
    assert world.lines()[-1] == ("output_drift", "firing")


def test_a_gpu_that_is_lost_right_after_the_start_was_seen(world: World) -> None:
    world.gpu = GPU
    alerts = world.alerts()

    async def lose_it() -> None:
        async with alerts.running():
            await asyncio.sleep(0)  # the first evaluation is at once
            world.gpu = None
            alerts.evaluate()

    asyncio.run(lose_it())
    assert world.lines() == [("gpu_lost", "firing")]
