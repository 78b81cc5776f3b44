"""Test that the header names the served model."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.deploy.gateway.conftest import Gateway, Start, wait_until
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import expect_fits
from tests.deploy.gateway.page.workbench import answer

PHONE = (320, 640)
IDENTITIES = {
    "en": ("demo · 5.32M parameters · ONNX Runtime int8", "ready · version 1", "demonstration model"),
    "zh": ("demo · 532万参数 · ONNX Runtime int8", "就绪 · 版本 1", "演示模型"),
}


@pytest.fixture
def described(start: Start, serving_url: str, demo_version: Path) -> Gateway:
    """Return a gateway that has the manifest and has checked the answers."""
    gateway = start(serving_url, f"--model-folder={demo_version.parent}")
    gateway.wait_until_ready()
    wait_until(lambda: gateway.ask("GET", "/healthz").json()["model"]["description"]["engine"])
    return gateway


@pytest.mark.parametrize("path", ["/", "/dashboard"])
def test_the_header_names_model_size_engine_and_version(open_page: Open, described: Gateway, path: str) -> None:
    for language, (identity, state, badge) in IDENTITIES.items():
        for size, dark in ((DESKTOP, False), (PHONE, True)):
            page = open_page(f"{path}?lang={language}", at=described, size=size, dark=dark)
            expect(page.locator("#model-identity")).to_have_text(identity)
            expect(page.locator("#model-state")).to_have_text(state)
            expect(page.locator(".demonstration")).to_have_text(badge)
            expect(page.locator(".demonstration")).to_be_in_viewport()
            if path == "/":
                expect(answer(page).locator(".legend").first).to_be_visible()
                assert violations(page) == []
            expect_fits(page)
            page.context.close()


def test_another_checkpoint_has_no_badge(open_page: Open, gateway: Gateway) -> None:
    description = {"checkpoint": "bert-base-chinese", "parameters": 102_290_312, "engine": None, "precision": None}
    health = gateway.ask("GET", "/healthz").json()
    health["model"]["description"] = {**description, "is_demonstration": False}
    page = open_page()
    page.route("**/healthz", lambda route: route.fulfill(json=health))
    page.reload()
    expect(page.locator("#model-identity")).to_have_text("bert-base-chinese · 102M parameters")
    page.locator("#language").select_option("zh")
    expect(page.locator("#model-identity")).to_have_text("bert-base-chinese · 1.02亿参数")
    expect(page.locator(".demonstration")).to_be_hidden()


def test_without_a_manifest_the_header_has_the_served_name(open_page: Open) -> None:
    expect(open_page().locator("#model-identity")).to_have_text("bert_mlm")
