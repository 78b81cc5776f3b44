"""Test the OpenAPI document, its page, and the gateway against it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import Gateway, Start, environment, wait_until
from tests.support.served import Served

CHECKED_IN = ROOT / "deploy" / "gateway" / "openapi.json"


def test_the_document_that_is_checked_in_is_the_one_that_is_served(gateway: Gateway) -> None:
    served = gateway.ask("GET", "/openapi.json").json()
    assert served == json.loads(CHECKED_IN.read_text(encoding="utf-8")), (
        "run `python -m deploy.gateway openapi > deploy/gateway/openapi.json`"
    )


def test_the_command_writes_the_document() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gateway", "openapi"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == CHECKED_IN.read_text(encoding="utf-8")


def test_every_address_says_what_its_errors_look_like(gateway: Gateway) -> None:
    document = gateway.ask("GET", "/openapi.json").json()
    for path, operations in document["paths"].items():
        responses = operations["post"]["responses"]
        assert {"200", "400", "413", "422", "429", "503", "504"} <= set(responses), path
        for status, response in responses.items():
            schema = response["content"]["application/json"]["schema"]
            assert (schema == {"$ref": "#/components/schemas/Problem"}) == (status != "200")


def test_the_page_sends_no_external_requests(gateway: Gateway) -> None:
    page = gateway.ask("GET", "/docs")
    assert page.status_code == 200
    places = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(places) >= 3
    for place in places:
        if not place.startswith("data:"):
            assert not re.match(r"(?:https?:)?//", place)
            assert gateway.ask("GET", f"/{place}").status_code == 200
    assert re.search(r"<script(?![^>]* src=)", page.text) is None  # the policy runs no script in the page
    assert gateway.ask("GET", "/docs/nothing.js").status_code == 404


def test_browsers_ask_each_time_whether_a_page_or_its_files_have_changed(gateway: Gateway) -> None:
    for path in ("/", "/page/main.js", "/docs", "/docs/start.js", "/docs/swagger-ui.css"):
        first = gateway.ask("GET", path)
        assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache"), path
        again = gateway.ask("GET", path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
    assert gateway.ask("GET", "/dashboard/report.css").headers["cache-control"] == "no-cache"


def test_schemathesis_finds_nothing(start: Start, tiny_models: Served, tmp_path: Path) -> None:
    """Send valid and invalid requests generated from the document, and validate the answers."""
    gateway = start(tiny_models.grpc, "--classifier=news")
    gateway.wait_until_ready()
    wait_until(lambda: gateway.ask("GET", "/healthz").json()["status"] == "ok")
    config = tmp_path / "schemathesis.toml"
    # A schema cannot express the reasons of 400 and 413, such as a text without [MASK] or a word not in the vocabulary.
    config.write_text(
        "[checks]\n"
        "positive_data_acceptance.expected-statuses = [200, 400, 413]\n"
        "negative_data_rejection.expected-statuses = [400, 413, 415, 422]\n"
    )
    command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run"]
    done = subprocess.run(
        [*command, f"{gateway.url}/openapi.json", "--max-examples=10", "--seed=1", "--workers=2", "--no-color"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
