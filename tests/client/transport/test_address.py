"""Parsing of addresses."""

from typing import Any

import pytest
from bert_mlm_client import InputError
from bert_mlm_client.transport.address import Servable


def parse(url: str, model: str = "bert_mlm", version: int | None = None) -> Servable:
    return Servable.parse(url, model=model, version=version)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("grpc://localhost", "localhost:8500"),
        ("grpc://localhost:9000/", "localhost:9000"),
        ("grpcs://serving.example.com", "serving.example.com:443"),
        ("http://127.0.0.1", "127.0.0.1:8501"),
        ("https://serving.example.com", "serving.example.com:443"),
        ("grpc://[::1]", "[::1]:8500"),
        ("HTTP://LOCALHOST:1", "localhost:1"),
    ],
)
def test_the_port_is_the_protocols_own_unless_given(url: str, authority: str) -> None:
    assert parse(url).authority == authority


def test_a_name_outside_ascii_is_written_as_dns_has_it() -> None:
    assert parse("http://模型.example").authority == "xn--xgs754b.example:8501"


@pytest.mark.parametrize(
    ("url", "model", "version", "expected"),
    [
        ("http://h:1", "bert_mlm", None, "/v1/models/bert_mlm"),
        ("http://h:1/", "bert_mlm", 3, "/v1/models/bert_mlm/versions/3"),
        ("https://h/serving/", "bert_mlm", None, "/serving/v1/models/bert_mlm"),
        ("http://h/代理%20", "m", None, "/%E4%BB%A3%E7%90%86%20/v1/models/m"),
        ("http://[::1]:1", "a/b:模", None, "/v1/models/a%2Fb%3A%E6%A8%A1"),
    ],
)
def test_the_rest_path_names_model_and_version(url: str, model: str, version: int | None, expected: str) -> None:
    assert parse(url, model, version).model_path == expected


@pytest.mark.parametrize(
    ("url", "is_named"),
    [
        ("grpc://localhost", True),
        ("grpc://127.0.0.1", False),
        ("grpc://[::1]:1", False),
        ("http://[fe80::1%251]", False),
    ],
)
def test_names_and_ip_addresses_are_distinguished(url: str, is_named: bool) -> None:
    assert parse(url).is_named is is_named


@pytest.mark.parametrize(("address", "peer"), [("10.0.0.7", "10.0.0.7:9000"), ("fd00::7", "[fd00::7]:9000")])
def test_one_server_of_a_name_shows_name_and_address(address: str, peer: str) -> None:
    named = parse("grpc://models.example:9000")
    one = named.at(address)
    assert (one.connect_to, one.authority, one.host) == (peer, named.authority, named.host)
    assert one.place == f"grpc://models.example:9000 at {peer}"
    assert named.place == "grpc://models.example:9000"


@pytest.mark.parametrize("version", ["1", 1.5, -1, 2**63])
def test_an_invalid_version_is_rejected(version: Any) -> None:
    with pytest.raises(InputError, match=f"the version is {version!r}; give a whole number"):
        parse("grpc://h", version=version)
