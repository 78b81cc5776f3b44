"""Test the REST routes for status, metadata and malformed requests."""

import gzip
import socket
from typing import Any

import pytest

AVAILABLE = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


def test_status_lists_the_versions_of_a_model(server: Any) -> None:
    answer = server.ask("GET", "/v1/models/half")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"model_version_status": [{"version": "123", **AVAILABLE}]}
    assert b'"state": "AVAILABLE"' in answer.body
    assert server.ask("GET", "/v1/models/half/versions/123").json == answer.json


def test_status_ignores_labels(server: Any) -> None:
    assert server.ask("GET", "/v1/models/half/labels/none").status == 200


def test_metadata_shows_every_signature(server: Any) -> None:
    document = server.ask("GET", "/v1/models/pair/metadata").json
    assert document["model_spec"] == {"name": "pair", "signature_name": "", "version": "1"}
    signatures = document["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "scalar", "uneven", "unrun"}
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert signatures["serving_default"]["inputs"]["ids"] == {
        "name": "ids:0",
        "dtype": "DT_INT32",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "-1", "name": ""}], "unknown_rank": False},
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
        ("GET", "/v1/models/half/versions/7", 404, "Could not find version 7 of model half"),
        ("GET", "/v1/models/none/metadata", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/half?x=1", 404, "Could not find any versions of model half?x=1"),
        ("GET", "/v1/models/half/", 400, "Malformed request: GET /v1/models/half/"),
        ("GET", "/v1/models/half:predict", 400, "Malformed request: GET /v1/models/half:predict"),
        ("POST", "/v1/models/half:predict/", 400, "Malformed request: POST /v1/models/half:predict/"),
        ("POST", "/v1/models/half:predict?x=1", 400, "Malformed request: POST /v1/models/half:predict?x=1"),
        ("POST", "/v1/models/half:explain", 400, "Malformed request: POST /v1/models/half:explain"),
        ("POST", "/v1/models/half", 400, "Malformed request: POST /v1/models/half"),
        ("PUT", "/v1/models/half:predict", 400, "Malformed request: PUT /v1/models/half:predict"),
        ("GET", "/v1/other", 400, "Malformed request: GET /v1/other"),
    ],
)
def test_bad_urls_are_named(server: Any, method: str, path: str, status: int, text: str) -> None:
    answer = server.ask(method, path)
    assert (answer.status, answer.error) == (status, text)


@pytest.mark.parametrize(
    "path",
    [f"/v1/models/half/versions/{2**64 - 1}", f"/v1/models/half/versions/{'9' * 5000}", "/v1/models/h%zz"],
)
def test_what_cannot_be_parsed_gets_an_empty_answer(server: Any, path: str) -> None:
    answer = server.ask("GET", path)
    assert (answer.status, answer.headers["content-type"], answer.body) == (400, "application/json", b"")


def test_head_is_malformed(server: Any) -> None:
    assert server.ask("HEAD", "/v1/models/half").status == 400


def test_options_needs_an_origin(server: Any) -> None:
    answer = server.ask("OPTIONS", "/v1/models/half:predict")
    assert (answer.status, answer.headers["content-type"], answer.body) == (400, "text/html", b"")
    answer = server.ask("OPTIONS", "/v1/models/half:predict", headers={"Origin": "http://page"})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_paths_outside_v1_are_404s_with_the_page_of_libevent(server: Any) -> None:
    page = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"
    for path in ("/", "/monitoring/prometheus/metrics", "/v2/models/half"):
        answer = server.ask("GET", path)
        assert (answer.status, answer.headers["content-type"], answer.body) == (404, "text/html", page)
        assert answer.headers["connection"] == "close"


def test_a_body_over_the_limit_is_refused_by_its_announced_length(server: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=10) as connection:
        connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n{")
        answer = b""
        while not answer.endswith(b'use gRPC."\n}'):
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 67108864 bytes" in answer


def test_a_small_gzip_body_of_a_large_document_is_refused(server: Any) -> None:
    body = gzip.compress(b" " * (64 * 2**20 + 1))
    answer = server.ask("POST", "/v1/models/half:predict", body, {"Content-Encoding": "gzip"})
    assert answer.status == 413
    assert "larger than 67108864 bytes" in answer.error


def test_a_connection_serves_request_after_request(server: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(b"GET /v1/models/half HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while b"\n}\n" not in answer:
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
