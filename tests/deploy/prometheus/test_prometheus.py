"""Test the configuration and the rules with Prometheus's own tools."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bert_mlm_client
import httpx2
import pytest
from ruamel.yaml import YAML

from deploy.embedded.metrics import DEFAULT_PATH
from deploy.gateway import paths
from deploy.gateway.telemetry.metrics import METRICS
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Start, wait_until

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "rules" / "gateway.yml"
BUILT = ROOT / "build" / "prometheus"
TESTS = Path(__file__).parent / "gateway.test.yml"


def tool(name: str, package: str) -> str:
    """Return the path of a tool, or skip the test."""
    found = shutil.which(name, path=os.pathsep.join([str(BUILT), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is not installed; it is in Debian's package {package}")
    return found


def run(*command: str | Path) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def rules() -> dict[str, Any]:
    [group] = load(RULES)["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_prometheus_accepts_its_configuration() -> None:
    run(tool("promtool", "prometheus"), "check", "config", "--lint=all", "--lint-fatal", FOLDER / "prometheus.yml")


def test_the_rules_fire_when_they_should_and_not_otherwise() -> None:
    run(tool("promtool", "prometheus"), "test", "rules", TESTS)


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        ('error_type!~"InputError|', 'error_type!~"'),
        ("> 0.05", "> 0.5"),
        (' or absent(up{job="gateway"})', ""),
        ("for: 30m", "for: 5m"),
        ("histogram_quantile(0.99", "histogram_quantile(0.9"),
        ("[5m])) > 0\n        for: 5m", "[5m])) > 0\n        for: 0m"),
        ("max by (alert, instance)", "max by (alert)"),
    ],
)
def test_the_tests_of_the_rules_notice_a_change(written: str, changed: str, tmp_path: Path) -> None:
    promtool = tool("promtool", "prometheus")
    text = RULES.read_text("utf-8")
    assert text.count(written) == 1
    (tmp_path / "rules.yml").write_text(text.replace(written, changed), "utf-8")
    tests = TESTS.read_text("utf-8").replace("../../../deploy/prometheus/rules/gateway.yml", "rules.yml")
    (tmp_path / "test.yml").write_text(tests, "utf-8")
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1


def test_every_rule_has_a_test_and_says_what_to_do() -> None:
    tests = TESTS.read_text("utf-8")
    for name, rule in rules().items():
        assert name in tests
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_rules_ask_for_metrics_and_label_values_that_there_are() -> None:
    labels = {one.name: one.labels for one in METRICS}
    for rule in rules().values():
        for name, selector in re.findall(r"\b(gateway_\w+?)(?:_total|_bucket)?\b(?:\{([^}]*)\})?", rule["expr"]):
            assert set(re.findall(r"(\w+)!?[=~]", selector)) <= set(labels[name])


def test_callers_errors_are_no_failures() -> None:
    kinds = [getattr(bert_mlm_client, name) for name in bert_mlm_client.__all__]
    callers = {
        kind.__name__ for kind in kinds if isinstance(kind, type) and issubclass(kind, bert_mlm_client.InputError)
    }
    [excluded] = re.findall(r'error_type!~"([^"]*)"', rules()["GatewayFailing"]["expr"])
    assert callers <= set(excluded.split("|"))


def test_each_target_is_scraped_where_it_has_its_metrics() -> None:
    jobs = {job["job_name"]: job for job in load(FOLDER / "prometheus.yml")["scrape_configs"]}
    assert jobs["gateway"].get("metrics_path", "/metrics") == paths.METRICS
    assert jobs["serving"]["metrics_path"] == DEFAULT_PATH
    assert f'path: "{DEFAULT_PATH}"' in (ROOT / "models/monitoring.config").read_text("utf-8")
    services = load(ROOT / "docker-compose.yml")["services"]
    for name in ("gateway", "serving"):
        [target] = jobs[name]["static_configs"][0]["targets"]
        host, port = target.split(":")
        assert any(mapping.endswith(f":{port}") for mapping in services[host]["ports"])


def receivers() -> list[Any]:
    """Return the receivers that the README shows."""
    text = (FOLDER / "README.md").read_text("utf-8")
    shown = re.findall(r"^ {4}.*$", text[text.index("Receivers for") : text.index("## Tests")], re.MULTILINE)
    blocks = "\n".join(shown).split("    - name: ")[1:]
    return [pytest.param(block.split()[0], f"  - name: {block}", id=block.split()[0]) for block in blocks]


@pytest.mark.parametrize(("name", "receiver"), receivers())
def test_alertmanager_accepts_each_receiver_of_the_readme(name: str, receiver: str, tmp_path: Path) -> None:
    amtool = tool("amtool", "prometheus-alertmanager")
    text = (FOLDER / "alertmanager.yml").read_text("utf-8")
    indented = receiver.replace("\n    ", "\n  ") + "\n"
    configured = text.replace("  - name: page\n", indented).replace("receiver: page", f"receiver: {name}")
    (tmp_path / "alertmanager.yml").write_text(configured, "utf-8")
    assert "1 receivers" in run(amtool, "check-config", tmp_path / "alertmanager.yml")


def test_alertmanager_accepts_its_configuration() -> None:
    run(tool("amtool", "prometheus-alertmanager"), "check-config", FOLDER / "alertmanager.yml")


@pytest.fixture
def prometheus(scripted: Gateway, tmp_path: Path) -> Iterator[str]:
    """Run Prometheus with the shipped configuration on a gateway, and yield its address."""
    program = tool("prometheus", "prometheus")
    config = (FOLDER / "prometheus.yml").read_text("utf-8").replace("gateway:8000", f"127.0.0.1:{scripted.port}")
    config = config.replace("scrape_interval: 15s", "scrape_interval: 1s")
    config = config.replace("evaluation_interval: 15s", "evaluation_interval: 1s")
    (tmp_path / "prometheus.yml").write_text(config, "utf-8")
    shutil.copytree(FOLDER / "rules", tmp_path / "rules")
    command = [
        program,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with (tmp_path / "stderr").open("w") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            yield address(tmp_path / "stderr")
        finally:
            process.terminate()


def address(log: Path) -> str:
    """Return the address that Prometheus logs once it listens."""
    pattern = re.compile(r"Listening on\"? address=(127\.0\.0\.1:\d+)")
    wait_until(lambda: pattern.search(log.read_text()))
    found = pattern.search(log.read_text())
    assert found
    return f"http://{found[1]}"


def test_prometheus_sees_the_first_error_of_a_gateway(prometheus: str, scripted: Gateway) -> None:
    def ask(query: str) -> list[Any]:
        answer = httpx2.get(f"{prometheus}/api/v1/query", params={"query": query}, trust_env=False, timeout=10)
        return list(answer.json().get("data", {}).get("result", []))

    failed = 'gateway_errors_total{error_type="InputError",task="mask_prediction"}'
    wait_until(lambda: ask('up{job="gateway"} == 1'))
    wait_until(lambda: ask(f"count_over_time({failed}[1m]) >= 2"))
    assert scripted.post("/predict", {"text": "没有"}).status_code == 400
    wait_until(lambda: ask(f"increase({failed}[1m]) > 0"))
    [build] = ask("gateway_build_info")
    assert build["metric"].keys() >= {"version", "model", "engine", "precision"}
    scripted.answer("/predict", {"text": SENTENCE})


def test_promtool_has_nothing_to_say_about_the_metrics(start: Start, scripted_url: str) -> None:
    promtool = tool("promtool", "prometheus")
    gateway = start(scripted_url)
    text = gateway.ask("GET", "/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
