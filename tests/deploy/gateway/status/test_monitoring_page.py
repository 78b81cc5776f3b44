"""Test that the monitoring page matches the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.gateway.alerts.table import ALERTS
from deploy.gateway.log import lines
from deploy.gateway.log.redact import redact
from deploy.gateway.settings import describe
from deploy.gateway.status import monitoring_page as monitoring
from deploy.gateway.telemetry.metrics import METRICS
from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import Gateway, environment

CHECKED_IN = ROOT / "deploy" / "gateway" / "MONITORING.md"


def metric_names() -> set[str]:
    """Return the names of all series that Prometheus gets."""
    names = set()
    for one in METRICS:
        match one.kind:
            case "counter":
                names.add(f"{one.name}_total")
            case "histogram":
                names |= {f"{one.name}{suffix}" for suffix in ("", "_bucket", "_sum", "_count")}
            case _:
                names.add(one.name)
    return names


def test_the_command_writes_the_page_that_is_checked_in() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gateway", "monitoring"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == CHECKED_IN.read_text(encoding="utf-8"), (
        "run `python -m deploy.gateway monitoring > deploy/gateway/MONITORING.md`"
    )


def test_every_field_metric_alert_and_setting_is_on_the_page() -> None:
    page = CHECKED_IN.read_text(encoding="utf-8")
    fields = {f"| `{name}` |" for name in lines.MEANINGS}
    alerts = {f"| `{one.name}` |" for one in ALERTS}
    settings = {f"| `{variable}` |" for variable, _, _ in describe()}
    metrics = {f"| `{one.name}{'_total' if one.kind == 'counter' else ''}` ({one.kind}) |" for one in METRICS}
    assert not {start for start in fields | alerts | settings | metrics if start not in page}


def test_each_kind_of_line_has_an_example() -> None:
    assert [type(line) for line in monitoring._EXAMPLES] == list(lines.KINDS)


def test_the_example_has_personal_data_as_the_log_writes_it() -> None:
    example = monitoring._EXAMPLES[0]
    assert isinstance(example, lines.Inference)
    assert example.input_text == redact("中国的首[MASK]是北京，电话13812345678。")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("写信给 zhang.san@example.com", "写信给 [EMAIL]"),
        ("电话 13812345678", "电话 [PHONE]"),
        ("身份证 11010519491231002X", "身份证 [ID_CARD]"),
        ("卡号 6222021234567890128", "卡号 [BANK_CARD]"),
        ("住在中关村大街27号", "住在中关村大街[ADDRESS]"),
    ],
)
def test_what_the_page_says_is_masked_is(text: str, masked: str) -> None:
    assert redact(text) == masked
    assert f"`{masked[masked.index('[') :]}`" in CHECKED_IN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "张三住在长安街",
        "微信 zhangsan_1990",
        "QQ 123456789",
        "车牌 京A12345",
        "护照 E12345678",
        "地址 192.168.1.10",
        "身份证 110105194912310021",  # its check digit would be X
        "+1 415 555 2671",
    ],
)
def test_what_the_page_says_is_not_masked_is_not(text: str) -> None:
    assert redact(text) == text


def test_the_page_shows_the_rules_that_prometheus_reads() -> None:
    rules = (ROOT / "deploy/prometheus/rules/gateway.yml").read_text(encoding="utf-8")
    assert "".join(f"    {line}\n" for line in rules.splitlines()) in CHECKED_IN.read_text(encoding="utf-8")


def test_queries_ask_for_metrics_that_there_are() -> None:
    page = CHECKED_IN.read_text(encoding="utf-8")
    queries = "\n".join(re.findall(r"^ {4}.*$", page, re.MULTILINE))
    asked = set(re.findall(r"\bgateway_\w+", queries))
    assert len(asked) >= 9
    assert not asked - metric_names()


def test_labels_in_queries_are_those_of_the_metric() -> None:
    labels = {f"{one.name}{suffix}": one.labels for one in METRICS for suffix in ("", "_total", "_bucket", "_sum")}
    page = CHECKED_IN.read_text(encoding="utf-8")
    for name, selector in re.findall(r"\b(gateway_\w+)\{([^}]*)\}", page):
        assert set(re.findall(r"(\w+)=", selector)) <= set(labels[name])


def test_health_tells_the_fields_of_the_page(shared: Gateway) -> None:
    health = shared.ask("GET", "/healthz").json()
    told = set()
    for name, value in health.items():
        told |= {f"{name}.{part}" for part in value} if name in {"model", "log", "resources"} else {name}
    assert told | {"reason"} == set(monitoring.HEALTH)


def test_the_gateways_readme_leads_to_the_page() -> None:
    readme = Path(ROOT / "deploy" / "gateway" / "README.md").read_text(encoding="utf-8")
    assert "(MONITORING.md)" in readme
