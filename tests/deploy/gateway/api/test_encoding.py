"""Test bodies in other encodings than UTF-8, and compressed ones."""

import gzip
import json
from typing import Any

import pytest

from tests.deploy.gateway.conftest import SENTENCE, Gateway, Start

BODY = json.dumps({"text": SENTENCE}, ensure_ascii=False)


def send(gateway: Gateway, content: bytes, media_type: str = "application/json", **headers: str) -> Any:
    return gateway.ask("POST", "/predict", content=content, headers={"Content-Type": media_type, **headers})


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("utf-8-sig", ""),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-16-be", ""),
        ("utf-32", ""),
        ("utf-16", "utf-16"),
        ("gbk", "gbk"),
        ("gbk", '"GB2312"'),
        ("gb18030", "gb18030"),
    ],
)
def test_a_body_in_another_encoding_is_read(gateway: Gateway, encoding: str, charset: str) -> None:
    media_type = f"application/json; charset={charset}" if charset else "application/json"
    response = send(gateway, BODY.encode(encoding), media_type)
    assert response.status_code == 200, response.text
    assert (
        response.json()["results"][0]["token"] == gateway.answer("/predict", {"text": SENTENCE})["results"][0]["token"]
    )


def test_gbk_without_its_name_is_refused_by_that_name(gateway: Gateway) -> None:
    response = send(gateway, BODY.encode("gbk"))
    assert (response.status_code, response.json()["error_type"]) == (400, "MalformedBodyError")
    error = response.json()["error"]
    assert "not JSON in UTF-8 (byte 11 is 0x" in error
    assert "it seems to be GBK" in error
    assert "Content-Type: application/json; charset=gbk" in error


def test_bytes_that_are_no_text_are_not_called_gbk(gateway: Gateway) -> None:
    response = send(gateway, b"\xff")
    assert response.status_code == 400
    assert "GBK" not in response.json()["error"]


def test_a_body_that_is_not_in_the_charset_it_names_is_400(gateway: Gateway) -> None:
    response = send(gateway, b'{"text": "\xff\xff"}', "application/json; charset=gbk")
    assert (response.status_code, response.json()["error_type"]) == (400, "MalformedBodyError")
    assert "not JSON in gbk" in response.json()["error"]


@pytest.mark.parametrize("charset", ["latin-1", "rot13", "zip", "x" * 500, "utf-7"])
def test_a_charset_that_is_not_supported_is_415(gateway: Gateway, charset: str) -> None:
    response = send(gateway, BODY.encode(), f"application/json; charset={charset}")
    assert (response.status_code, response.json()["error_type"]) == (415, "UnsupportedMediaTypeError")
    assert "send UTF-8, UTF-16, GBK or GB18030" in response.json()["error"]
    assert len(response.json()["error"]) < 200


def gzipped(gateway: Gateway, content: bytes, encoding: str = "gzip") -> Any:
    return send(gateway, content, **{"Content-Encoding": encoding})


def test_a_gzip_body_is_read(gateway: Gateway) -> None:
    for encoding in ("gzip", "GZIP", "x-gzip"):
        assert gzipped(gateway, gzip.compress(BODY.encode()), encoding).status_code == 200
    assert gzipped(gateway, BODY.encode(), "identity").status_code == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BODY.encode(), "it is not a gzip stream"),
        (gzip.compress(BODY.encode())[:-4], "the gzip stream is truncated"),
        (gzip.compress(BODY.encode()) + b"more", "there is data after the gzip stream"),
        (b"", "the gzip stream is truncated"),
    ],
    ids=["no gzip", "truncated", "followed by data", "empty"],  # compressed content has the time of its creation
)
def test_a_damaged_gzip_body_is_400(gateway: Gateway, content: bytes, words: str) -> None:
    response = gzipped(gateway, content)
    assert (response.status_code, response.json()["error_type"]) == (400, "MalformedBodyError")
    assert words in response.json()["error"]


def test_another_content_encoding_is_415_by_its_name(gateway: Gateway) -> None:
    for encoding in ("br", "deflate", "gzip, gzip"):
        response = gzipped(gateway, BODY.encode(), encoding)
        assert response.status_code == 415
        assert repr(encoding) in response.json()["error"]
        assert response.headers["accept-encoding"] == "gzip"


def test_a_gzip_bomb_is_413_and_has_a_line(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--max-body-bytes=10000")
    response = gzipped(gateway, gzip.compress(b" " * 5_000_000))
    assert (response.status_code, response.json()["error_type"]) == (413, "BodyTooLargeError")
    gateway.wait_for_lines(1, module="http", status_code=413)


@pytest.mark.parametrize("document", [{"text": [SENTENCE]}, {"inputs": [SENTENCE, SENTENCE]}, [SENTENCE]])
def test_a_list_for_predict_points_to_the_path_that_takes_it(gateway: Gateway, document: Any) -> None:
    response = gateway.post("/predict", document)
    assert response.status_code == 422
    assert response.json()["error"].endswith('; for several sentences send {"inputs": ["…", "…"]} to /v1/fill-mask')


def test_a_long_text_for_predict_points_to_the_path_that_truncates(gateway: Gateway) -> None:
    response = gateway.post("/predict", {"text": SENTENCE * 60})
    assert response.status_code == 400
    assert response.json()["error"].endswith('with "parameters": {"truncate": true} at /v1/fill-mask')
