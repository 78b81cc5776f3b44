"""Test the dashboard of gateways without scripts."""

import base64
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.gateway.dashboard.words import CHINESE, ENGLISH, PageWords
from deploy.gateway.report import words as report_words
from deploy.gateway.report.charts import NARROW
from loadtest.processes import ROOT
from tests.client.scripted import Refusal
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, StartProcess, wait_until
from tests.deploy.gateway.report.generate import write

KEY = "a-key-of-the-tests-0123456789"


class Page(HTMLParser):
    """A parsed page."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def pictures(self) -> set[str]:
        """Return the names of the charts for browsers without scripts."""
        ids = [attributes.get("id") or "" for attributes in self.all("title")]
        return {one.removesuffix(f"-{NARROW}-title") for one in ids if one.endswith("-title")}


@pytest.fixture
def gateway(shared: Gateway, model: Model) -> Gateway:
    """Return a shared gateway with the scripted model."""
    del model  # it is to answer
    return shared


def ask(gateway: Gateway, **parameters: str) -> httpx2.Response:
    return gateway.ask("GET", "/dashboard", params=parameters)


def show(gateway: Gateway, **parameters: str) -> Page:
    response = ask(gateway, **parameters)
    assert response.status_code == 200, response.text
    return Page(response)


def figure(page: Page, name: str) -> str:
    """Return a figure of the first part by its name."""
    found = re.search(rf"{re.escape(name)}\s*([\d.,%]+)", page.text)
    assert found, page.text
    return found[1]


def test_what_was_asked_and_what_failed_is_shown(start: Start, scripted_url: str, model: Model) -> None:
    gateway = start(scripted_url, GATEWAY_RESOURCE_INTERVAL_S="0.1")
    gateway.wait_until_ready()
    gateway.answer("/predict", {"text": SENTENCE})
    gateway.answer("/v1/fill-mask", {"inputs": [SENTENCE, SENTENCE]})
    refused = gateway.post("/predict", {"text": "没有"})
    assert refused.status_code == 400
    model.refusal = Refusal("the engine is broken", "INTERNAL")
    assert gateway.post("/predict", {"text": SENTENCE}).status_code == 502
    gateway.wait_for_lines(5, module="inference")
    wait_until(lambda: gateway.lines(module="resource"))
    page = show(gateway, since="1h", lang="en")
    assert (figure(page, "Requests"), figure(page, "Sentences"), figure(page, "Failed")) == ("4", "5", "40.00%")
    assert page.pictures >= {"latency", "calls-per-minute", "calls-per-day", "cpu", "memory"}
    assert "mask_prediction" not in page.text
    for shown in ("Fill in words", refused.json()["error_type"], "the engine is broken", ENGLISH.last_hour):
        assert shown in page.text
    assert report_words.ENGLISH.device in page.text  # of the events: this machine's tests see no GPU
    assert report_words.ENGLISH.cpu_fallback not in page.text


def test_faults_of_model_and_machine_are_events(tmp_path: Path, start: Start) -> None:
    log = tmp_path / "kept" / "gateway.log"
    log.parent.mkdir()
    common = {"timestamp": "2026-04-05T10:00:00.000Z", "level": "WARNING"}
    lines: list[dict[str, Any]] = [
        {"module": "device", "task": "gpu_status", "status": "cpu_fallback", "device": "cpu", "error": "GPU is lost"},
        {"module": "alert", "task": "gpu_lost", "status": "firing", "value": 1, "threshold": 1},
        {"module": "canary", "task": "output_consistency", "status": "drift", "value": 0.21, "threshold": 0.05},
        {"module": "system", "task": "lost_lines", "status": "failed", "lost_lines": 3, "error": "disk full"},
        {"module": "loading", "task": "model_load", "status": "failed", "model_version": 2, "error": "cut off"},
    ]
    write([{**common, **line} for line in lines], log)
    gateway = start("grpc://127.0.0.1:1", f"--log-folder={log.parent}")
    page = show(gateway, since="2026-04-05T09:00", until="2026-04-05T11:00", timezone="UTC", lang="zh")
    words = report_words.CHINESE
    for shown in (words.events, words.cpu_fallback, "gpu_lost", "GPU is lost", words.consistency_check, "disk full"):
        assert shown in page.text
    assert "版本 2" in page.text
    assert "drift" in page.pictures


@pytest.mark.parametrize(
    ("accepted", "asked", "words"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "", CHINESE),
        ("fr,en;q=0.5", "", ENGLISH),
        ("zh", "en", ENGLISH),
        ("", "zh", CHINESE),
    ],
)
def test_the_address_or_the_browser_chooses_the_language(
    gateway: Gateway, accepted: str, asked: str, words: PageWords
) -> None:
    response = gateway.ask("GET", "/dashboard", params={"lang": asked}, headers={"Accept-Language": accepted})
    assert f'<html lang="{words.lang}">' in response.text
    assert f"<h1>{words.dashboard}</h1>" in response.text
    assert response.headers["vary"] == "Accept-Language, Cookie"


def test_the_header_has_the_words_of_the_workbench() -> None:
    text = (ROOT / "deploy/gateway/page/words.js").read_text(encoding="utf-8")
    of_header = {
        "site.name": "site",
        "site.navigation": "navigation",
        "site.workbench": "workbench",
        "site.dashboard": "dashboard",
        "site.language": "language",
        "site.theme": "theme",
        "site.theme.auto": "theme_auto",
        "site.theme.light": "theme_light",
        "site.theme.dark": "theme_dark",
    }
    for key, name in of_header.items():
        written = re.findall(rf'^\s*"{re.escape(key)}": "(.*)",$', text, re.MULTILINE)
        assert written == [getattr(ENGLISH, name), getattr(CHINESE, name)]


def test_a_links_address_gives_the_same_view_in_the_other_range_or_language(gateway: Gateway) -> None:
    page = show(gateway, since="7d", timezone="Asia/Shanghai", lang="en")
    links = [attributes for attributes in page.all("a") if str(attributes.get("href")).startswith("dashboard?")]
    assert [link["href"] for link in links if "aria-current" in link] == [
        "dashboard?since=7d&timezone=Asia%2FShanghai&lang=en"
    ]
    assert len(links) == 6
    for link in links:
        followed = gateway.ask("GET", f"/{unescape(str(link['href']))}")
        assert followed.status_code == 200
        assert "Asia/Shanghai" in followed.text


def test_the_form_writes_a_range_of_its_own(gateway: Gateway) -> None:
    page = show(gateway, since="2026-11-01T08:00", until="2026-11-02T09:30", timezone="Asia/Shanghai", lang="en")
    fields = {str(one["name"]): one.get("value") for one in page.all("input") if one.get("name")}
    assert fields == {
        "since": "2026-11-01T08:00",
        "until": "2026-11-02T09:30",
        "timezone": "Asia/Shanghai",
        "lang": "en",
    }
    assert "2026-11-01 08:00 to 2026-11-02 09:30 (Asia/Shanghai)" in page.text
    [main] = page.all("main")
    assert (main["data-language"], main["data-refresh-s"]) == ("en", "")  # a range in the past is not refreshed
    again = show(gateway, **{name: value or "" for name, value in fields.items()})
    assert again.text == page.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"since": "yesterday"},
        {"since": "24h", "until": "25h"},
        {"since": "2000d"},
        {"since": "9999999w"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"since": "<script>alert(1)</script>"},
        {"since": "\u202e\x00"},
        {"since": "9" * 5000},
    ],
)
def test_a_wrong_range_is_explained_on_the_page(gateway: Gateway, parameters: dict[str, str]) -> None:
    for words in (ENGLISH, CHINESE):
        response = ask(gateway, **parameters, lang=words.lang[:2])
        assert (response.status_code, response.headers["content-type"]) == (400, "text/html; charset=utf-8")
        page = Page(response)
        assert words.wrong_range in page.text
        assert "Traceback" not in page.text
        assert len(page.all("script")) == 3
        assert not {"\u202e", "\x00"} & set(response.text)
        assert len(response.text) < 10_000
        assert {str(one["id"]) for one in page.all("input") if one.get("id")} >= {"since", "until", "timezone"}


def test_a_log_that_is_not_there_is_said_kindly(start: Start, tmp_path: Path) -> None:
    gateway = start("grpc://127.0.0.1:1", f"--log-folder={tmp_path / 'nowhere'}", GATEWAY_RESOURCE_INTERVAL_S="3600")
    wait_until((tmp_path / "nowhere" / "gateway.log").exists)  # the first line is about the device
    (tmp_path / "nowhere" / "gateway.log").unlink()
    page = show(gateway, lang="en")
    assert ENGLISH.no_log in page.text
    (tmp_path / "nowhere" / "gateway.log").touch()
    assert report_words.ENGLISH.no_lines in show(gateway, lang="en").text


def test_nothing_on_the_page_is_refused_by_its_own_policy(gateway: Gateway) -> None:
    gateway.answer("/predict", {"text": SENTENCE})
    gateway.wait_until_ready()
    response = ask(gateway, lang="zh", since="1h")
    page = Page(response)
    assert "'unsafe-inline'" not in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert not page.all("style")
    assert re.search(r"<script(?![^>]* (src=|type=\"application/json\"))", response.text) is None  # data does not run
    assert not [name for _, attributes in page.elements for name in attributes if name == "style" or name[:2] == "on"]
    places = [one["href"] for one in page.all("link")] + [one["src"] for one in page.all("script") if "src" in one]
    assert "dashboard/report.css" in places
    for place in places:
        assert not str(place).startswith(("http", "/"))
        assert gateway.ask("GET", f"/{place}").status_code == 200
    assert gateway.ask("GET", "/dashboard/report.css").headers["content-type"] == "text/css; charset=utf-8"


def test_ids_labels_and_headings_are_in_order(gateway: Gateway) -> None:
    page = show(gateway, since="1h")
    ids = [str(attributes["id"]) for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert len(page.all("h1")) == len(page.all("main")) == 1
    labelled = {str(one["for"]) for one in page.all("label") if one.get("for")}
    assert labelled == {"since", "until", "timezone"}
    names = [one.get("aria-label") for one in page.all("section")]
    assert len(names) == len(set(names))


def test_the_page_of_log_lines_has_them_without_scripts(gateway: Gateway) -> None:
    gateway.answer("/predict", {"text": "电话13812345678，中国的首[MASK]是北京。"})
    gateway.wait_for_lines(1, input_text="电话[PHONE]，中国的首[MASK]是北京。")
    for lang, name in (("en", "Fill in words"), ("zh", "填词")):
        response = gateway.ask("GET", "/dashboard/lines", params={"module": "inference", "lang": lang})
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        page = Page(response)
        for shown in ("电话[PHONE]，中国的首[MASK]是北京。", name, '"task":"mask_prediction"'):
            assert shown in page.text
        assert "13812345678" not in response.text
    for place in [one["href"] for one in page.all("link")] + [one["src"] for one in page.all("script")]:
        assert gateway.ask("GET", f"/dashboard/{place}").status_code == 200


def test_log_lines_of_a_wrong_range_or_a_hostile_filter_are_explained(gateway: Gateway) -> None:
    for words in (ENGLISH, CHINESE):
        wrong = gateway.ask("GET", "/dashboard/lines", params={"since": "yesterday", "lang": words.lang[:2]})
        assert wrong.status_code == 400
        assert words.wrong_range in wrong.text
        hostile = {"error_type": "<script>" * 200, "timezone": "UTC", "lang": words.lang[:2]}
        none = gateway.ask("GET", "/dashboard/lines", params=hostile)
        assert none.status_code == 200
        assert words.no_lines_found in none.text
        assert len(Page(none).all("script")) == 3
        assert len(none.text) < 10_000


def test_a_cookie_names_the_browsers_zone_unless_the_address_does(gateway: Gateway) -> None:
    def zone(cookie: str, **parameters: str) -> str | None:
        response = gateway.ask("GET", "/dashboard", params={"since": "1h", **parameters}, headers={"Cookie": cookie})
        assert response.status_code == 200
        [article] = Page(response).all("article")
        return article["data-timezone"]

    own = zone("")
    assert zone("timezone=Asia/Shanghai") == "Asia/Shanghai"
    assert zone("timezone=Asia/Shanghai", timezone="America/New_York") == "America/New_York"
    for wrong in ("Mars/Olympus", "../../etc/passwd", "x" * 5000):
        assert zone(f"timezone={wrong}") == own


def test_where_keys_are_asked_for_the_dashboard_asks_as_well(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, GATEWAY_API_KEYS=KEY)

    def status(path: str, **headers: str) -> int:
        return gateway.ask("GET", path, headers=headers).status_code

    def basic(credentials: str) -> str:
        return "Basic " + base64.b64encode(credentials.encode()).decode()

    for page in ("/dashboard", "/dashboard/lines"):
        refused = gateway.ask("GET", page)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Basic realm="dashboard", charset="UTF-8"'
        assert refused.json()["error_type"] == "UnauthorizedError"
        password = basic(f"anyone:{KEY}")
        for accepted in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": password}):
            assert status(page, **accepted) == 200
        for wrong in (basic(f"{KEY}:"), basic(KEY), basic("anyone:no"), "Basic", "Basic ...", f"Basic {KEY}"):
            assert status(page, Authorization=wrong) == 401
    for path in ("/dashboard/report.css", "/page/dashboard.css", "/"):
        assert status(path) == 200
    by_password = gateway.post("/predict", {"text": SENTENCE}, headers={"Authorization": basic(f"anyone:{KEY}")})
    assert by_password.status_code == 401  # a password is for the dashboard alone


def test_the_dashboard_has_a_name_in_the_metrics(gateway: Gateway) -> None:
    ask(gateway, since="nonsense")
    assert gateway.metrics()['gateway_requests_total{path="/dashboard",status="400"}'] >= 1


def test_a_gateway_with_a_dashboard_ends_in_order(start_process: StartProcess) -> None:
    gateway = start_process("grpc://127.0.0.1:1")
    assert ask(gateway).status_code == 200
    status, said = gateway.stop()
    assert status == 0
    assert "Traceback" not in said
