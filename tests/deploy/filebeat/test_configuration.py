"""The real Filebeat with our configuration, line by line."""

import dataclasses
import json
from typing import Any

from deploy.elasticsearch.definitions import fields
from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.lines import KINDS, Line
from tests.support.filebeat import Ship

EXAMPLE = {
    "timestamp": "2026-04-05T10:23:45.125Z",
    "level": "ERROR",
    "module": "inference",
    "task": "mask_prediction",
    "status": "failed",
    "request_id": "6f1c9a30",
    "trace_id": "4bf92f35",
    "model_name": "bert_mlm",
    "model_version": 1,
    "batch_size": 4,
    "input_text": "中国的首[MASK]是北京。",
    "score": 1.0,
    "total_time_ms": 4100.35,
    "duration_ns": 4100350000,
    "sample_rate": 0.5,
    "sentences": 2.0,
    "calls": 0.5,
    "errors": 0.5,
    "error_type": "ServerTimeoutError",
    "error": "no answer",
    "traceback": "Traceback",
    "process": "gateway",
    "pid": 7,
    "instance": "gateway-1",
    "service_version": "0.2.0",
    "status_code": 413,
    "path": "/predict",
}


def line(**changes: Any) -> str:
    return json.dumps({**EXAMPLE, **changes}, ensure_ascii=False)


def flat(event: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in event.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def test_a_line_of_the_gateway_keeps_its_names_and_values(ship: Ship) -> None:
    (event,) = ship({"gateway/gateway.log": [line()]}, 1)
    del event["@metadata"]
    values = {f"gw.{name}": value for name, value in EXAMPLE.items() if name != "timestamp"}
    assert flat(event) == values | {"@timestamp": "2026-04-05T10:23:45.125Z", "event.dataset": "bert.gateway"}
    assert flat(event).keys() <= fields("bert-logs@mappings", "bert-gateway@mappings").keys()


def test_every_kind_of_line_has_only_fields_of_the_template(ship: Ship) -> None:
    lines = [encode(example(kind)).decode().strip() for kind in KINDS]
    known = fields("bert-logs@mappings", "bert-gateway@mappings").keys()
    for event in ship({"gateway/gateway.log": lines}, len(KINDS)):
        del event["@metadata"]
        assert flat(event).keys() <= known
        assert event["event"]["dataset"] == "bert.gateway"


def example(kind: type[Line]) -> Line:
    """Return a line with a value in every field that is not computed."""
    values = {}
    for field in dataclasses.fields(kind):
        if field.default is None or field.default is dataclasses.MISSING:
            values[field.name] = 1.5 if "float" in str(field.type) else 2 if "int" in str(field.type) else "x"
    make: Any = kind
    line: Line = make(**values | {"timestamp": 1.0, "level": None})
    return line


def test_a_line_that_is_not_json_goes_to_a_stream_of_its_own_and_is_no_error_type(ship: Ship) -> None:
    events = ship({"gateway/gateway.log": ['{"timestamp":"2026-04-05T10:2', "", "text", line()]}, 3)
    torn, text, whole = (event for event in events if event.get("message") != "")
    for event, message in ((torn, '{"timestamp":"2026-04-05T10:2'), (text, "text")):
        assert event["message"] == message
        assert event["event"] == {"dataset": "bert.unparsed"}
        assert event["error"]["type"] == "json"
        assert "gw" not in event
    assert (whole["gw"]["error_type"], "error" in whole) == ("ServerTimeoutError", False)


def test_ids_follow_from_the_line_and_its_place(ship: Ship) -> None:
    lines = [line(), line(), line(request_id="b"), "not JSON"]
    first, second, third, unparsed = (event["@metadata"]["_id"] for event in ship({"gateway/gateway.log": lines}, 4))
    assert len({first, second, third, unparsed}) == 4
    assert all(len(one) == 24 and one.endswith("==") for one in (first, unparsed))  # MD5 in base64


def test_a_rotated_file_is_read_and_a_compressed_one_is_not(ship: Ship) -> None:
    files = {
        "gateway/gateway.log": [line(request_id="new")],
        "gateway/gateway.log-20260405T102345.000000Z": [line(request_id="old")],
        "gateway/gateway.log-20260404T102345.000000Z.gz": [line(request_id="compressed")],
    }
    assert {event["gw"]["request_id"] for event in ship(files, 2)} == {"old", "new"}


SERVING = [
    "2024-07-30 15:36:27.114574: I tensorflow_serving/model_servers/server.cc:388] Profiler service is enabled",
    "2024-07-30 15:36:28.000001: W external/org_tensorflow/a.cc:12] Two lines",
    "To enable the following instructions: AVX2 FMA",
    "[evhttp_server.cc : 250] NET_LOG: Entering the event loop ...",
    "[warn] getaddrinfo: address family for nodename not supported",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1738310872.189170   16552 gpu_device.cc:2022] Created device",
    "E1121 10:00:03.807962 15788 cuda_dnn.cc:8310] Cannot register",
    "2026-11-30 12:00:00,123 ERROR Cannot load version 3",
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in <module>',
    "2026-11-30 12:00:00.000000: I log.sh:1] the last line, which ends the one before",
]


def test_the_model_servers_log_has_level_time_and_place(ship: Ship) -> None:
    events = ship({"serving/serving.log": SERVING}, 9)
    found = [
        (
            event["log"]["level"],
            event["message"],
            event["log"].get("origin", {}).get("file", {}).get("name"),
            event["@timestamp"] if event["@timestamp"] < "2026-11-30T12:00:01" else None,
        )
        for event in sorted(
            events,
            key=lambda event: SERVING.index(next(line for line in SERVING if event["message"].split("\n")[0] in line)),
        )
    ]
    assert found[:8] == [
        (
            "INFO",
            "Profiler service is enabled",
            "tensorflow_serving/model_servers/server.cc",
            "2024-07-30T15:36:27.114Z",
        ),
        (
            "WARNING",
            "Two lines\nTo enable the following instructions: AVX2 FMA",
            "external/org_tensorflow/a.cc",
            "2024-07-30T15:36:28.000Z",
        ),
        ("INFO", SERVING[3], None, None),
        ("WARNING", SERVING[4], None, None),
        ("WARNING", SERVING[5], None, None),
        ("INFO", "Created device", "gpu_device.cc", "2025-01-31T08:07:52.189Z"),
        ("ERROR", "Cannot register", "cuda_dnn.cc", None),
        (
            "ERROR",
            "Cannot load version 3\nTraceback (most recent call last):\n" + SERVING[10],
            None,
            "2026-11-30T12:00:00.123Z",
        ),
    ]
    for event in events:
        assert event["event"] == {"dataset": "bert.serving"}
        names = flat({name: value for name, value in event.items() if name != "@metadata"}).keys()
        assert names <= fields("bert-logs@mappings", "bert-serving@mappings").keys()
