"""Test the settings of alerts."""

import pytest

from deploy.gateway.settings import SettingsError
from tests.support.settings import settings_from


def test_an_address_for_alerts_is_one_of_the_web() -> None:
    for address in ("https://example.com/hook?key=1", "http://127.0.0.1:8080", "https://[::1]:9/x"):
        assert settings_from({"GATEWAY_ALERT_WEBHOOK": address}).alert_webhook == address


@pytest.mark.parametrize(
    "address", ["example.com/secret", "ftp://example.com/secret", "https:///secret", "http://h:port/secret", "secret\n"]
)
def test_another_address_is_refused_without_telling_it(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"GATEWAY_ALERT_WEBHOOK": address})
    assert str(caught.value) == "GATEWAY_ALERT_WEBHOOK cannot be used; write it as https://host/path"


def test_a_token_that_no_header_can_carry_is_refused_without_telling_it() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"GATEWAY_ALERT_WEBHOOK_TOKEN": "secret\r\nX-Other: 1"})
    assert "GATEWAY_ALERT_WEBHOOK_TOKEN cannot be used; give printable ASCII" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_neither_address_nor_token_is_shown() -> None:
    settings = settings_from(
        {"GATEWAY_ALERT_WEBHOOK": "https://example.com/secret", "GATEWAY_ALERT_WEBHOOK_TOKEN": "secret"}
    )
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_ALERT_WEBHOOK_FORMAT", "teams"),
        ("GATEWAY_ALERT_ERRORS", "0"),
        ("GATEWAY_ALERT_LATENCY_MS", "0"),
        ("GATEWAY_ALERT_LOW_CONFIDENCE", "50"),
        ("GATEWAY_ALERT_WINDOW_S", "3601"),
        ("GATEWAY_ALERT_MIN_SENTENCES", "few"),
        ("GATEWAY_ALERT_NOT_READY_S", "-1"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is '{value}'; give "):
        settings_from({variable: value})
