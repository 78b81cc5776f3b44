"""Define the kinds of log lines.

Fields are written in the order of the class, a field that is None is omitted, and ``MEANINGS`` describes each field,
which has the same meaning in all lines.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any, Literal, NamedTuple, get_args

Level = Literal["INFO", "WARNING", "ERROR"]
InferenceTask = Literal[
    "mask_prediction",
    "token_scoring",
    "semantic_similarity",
    "feature_extraction",
    "explanation",
    "proofreading",
    "text_classification",
]
Process = Literal["gateway", "server"]
AlertStatus = Literal["firing", "resolved"]

MEANINGS = {
    "timestamp": "Time of the event: ISO 8601, UTC, with milliseconds.",
    "level": "INFO, WARNING or ERROR.",
    "module": "The component that wrote the line.",
    "task": "The component's task; for an alert, its name.",
    "status": "The outcome.",
    "instance": "The gateway that wrote the line: GATEWAY_INSTANCE, or the host name (of a container, its id).",
    "service_version": "The version of the gateway that wrote the line.",
    "request_id": "The request's X-Request-Id, the caller's or a generated one; the same in all of its lines.",
    "trace_id": "The trace's id from the caller's W3C traceparent.",
    "path": "The path of the request if the gateway has it, else other; never the query.",
    "status_code": "The HTTP status of the answer.",
    "model_name": "The model that was asked or loaded.",
    "model_version": "The version that answered or was loaded.",
    "batch_size": "The number of sentences in the request; each has a line.",
    "input_text": "The sentence without personal data, or its digest.",
    "predicted_token": "The best answer; a word that the caller gave is masked or digested like the sentence.",
    "score": "The probability of the best answer, from 0 to 1; of given words, per token; for similarity, the cosine.",
    "characters": "The number of characters that proofreading checked; other words count by their tokens.",
    "inference_time_ms": "Time spent in the model server.",
    "tokenize_time_ms": "Time spent in the tokenizer.",
    "total_time_ms": "Total time of the request in the gateway, or of another task.",
    "duration_ns": "total_time_ms in nanoseconds, for event.duration of the Elastic Common Schema.",
    "load_time_ms": "The load time of the model.",
    "device": "The GPU's name, or cpu.",
    "process": "The process measured: gateway or server.",
    "pid": "The process id.",
    "cpu_percent": "CPU use since the previous line in percent of one core; two busy cores are 200.",
    "memory_mb": "Resident memory of the process, in units of 2^20 bytes.",
    "gpu_memory_mb": "GPU memory in use by all processes, in units of 2^20 bytes; 0 without a GPU.",
    "gpu_utilization_percent": "Utilization of the busiest GPU.",
    "value": "The measured value, in the unit of the threshold.",
    "threshold": "The limit of the value.",
    "sample_rate": "The share of such lines that is written, if not all are (a sample of the successes; one line a "
    "second for refused requests): the line stands for 1 / sample_rate.",
    "sentences": "The number of sentences that the line stands for: 1 / sample_rate.",
    "calls": "The number of requests that the line stands for: sentences / batch_size. Calls are the sum of it.",
    "errors": "The number of failures that the line stands for: calls, or 1 if it is not about a sentence.",
    "refused": "The number of refused requests that the line stands for: 1 / sample_rate.",
    "lost_lines": "The number of lines lost since the previous such line.",
    "error_type": "The class of the error.",
    "error": "The error's message, without personal data.",
    "traceback": "The traceback of an unhandled exception, without personal data.",
}
"""The description of each field, in the order of the documentation's table."""


class CallersWord(str):
    """An answer given by the caller.

    The log treats it as private, like the sentence.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The fields of every line.

    Attributes:
        timestamp: the Unix time.
        level: None is the default of the status.
        instance: None is the writer's, as for ``service_version``.
    """

    timestamp: float = field(default_factory=time.time)
    level: Level | None = None
    module: str
    task: str
    status: str
    instance: str | None = None
    service_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference(Line):
    """One sentence of a request.

    Attributes:
        duration_ns: computed when the line is encoded, as ``sentences``, ``calls``, ``errors`` and ``refused`` are in
            all lines; see `counts.computed`.
    """

    module: Literal["inference"] = "inference"
    task: InferenceTask
    status: Literal["success", "low_confidence", "failed"]
    request_id: str
    trace_id: str | None = None
    path: str | None = None
    status_code: int | None = None
    model_name: str | None = None
    model_version: int | None = None
    batch_size: int | None = None
    input_text: str | None = None
    predicted_token: str | None = None
    score: float | None = None
    characters: int | None = None
    inference_time_ms: float | None = None
    tokenize_time_ms: float | None = None
    total_time_ms: float | None = None
    duration_ns: int | None = None
    gpu_memory_mb: float | None = None
    sample_rate: float | None = None
    sentences: float | None = None
    calls: float | None = None
    errors: float | None = None
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest(Line):
    """A request refused before its question was asked.

    Its level is WARNING. It is not a call, so its module differs from that of calls.
    """

    module: Literal["http"] = "http"
    task: Literal["request"] = "request"
    status: Literal["refused"] = "refused"
    request_id: str
    trace_id: str | None = None
    path: str
    status_code: int
    total_time_ms: float | None = None
    duration_ns: int | None = None
    sample_rate: float | None = None
    refused: float | None = None
    error_type: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoad(Line):
    """The start, success or failure of a version's load.

    A slow load is a WARNING.
    """

    module: Literal["loading"] = "loading"
    task: Literal["model_load"] = "model_load"
    status: Literal["start", "success", "failed"]
    model_name: str
    model_version: int | None = None
    load_time_ms: float | None = None
    threshold: float | None = None
    errors: float | None = None
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Line):
    """The device of the model.

    A GPU was found, the machine has none, or the CPU replaces one that failed.
    """

    module: Literal["device"] = "device"
    task: Literal["gpu_status"] = "gpu_status"
    status: Literal["active", "cpu_fallback"]
    device: str
    gpu_memory_mb: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage(Line):
    """The resource use of a process, at regular intervals."""

    module: Literal["resource"] = "resource"
    task: Literal["resource_usage"] = "resource_usage"
    status: Literal["active"] = "active"
    process: Process
    pid: int
    cpu_percent: float
    memory_mb: float
    gpu_memory_mb: float | None = None
    gpu_utilization_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Line):
    """The start (WARNING) or the end (INFO) of an alert.

    The task is its name. It is not an ERROR, since the failures have their own ERROR lines and must not be counted
    twice.
    """

    module: Literal["alert"] = "alert"
    status: AlertStatus
    value: float | None = None
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary(Line):
    """A check of the model's answers.

    The answers to the golden prompts are compared with the version's baseline.
    """

    module: Literal["canary"] = "canary"
    task: Literal["output_consistency"] = "output_consistency"
    status: Literal["success", "drift", "failed"]
    model_name: str
    model_version: int | None = None
    total_time_ms: float | None = None
    duration_ns: int | None = None
    value: float | None = None
    threshold: float | None = None
    errors: float | None = None
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhandledException(Line):
    """An unhandled exception."""

    module: Literal["system"] = "system"
    task: Literal["unhandled_exception"] = "unhandled_exception"
    status: Literal["failed"] = "failed"
    request_id: str | None = None
    trace_id: str | None = None
    path: str | None = None
    status_code: int | None = None
    errors: float | None = None
    error_type: str
    error: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLines(Line):
    """A loss of lines.

    It is written once, when the log works again.
    """

    module: Literal["system"] = "system"
    task: Literal["lost_lines"] = "lost_lines"
    status: Literal["failed"] = "failed"
    lost_lines: int
    errors: float | None = None
    error_type: str = "lost_lines"
    error: str | None = None


KINDS: tuple[type[Line], ...] = (
    Inference,
    RefusedRequest,
    ModelLoad,
    Device,
    ResourceUsage,
    Alert,
    Canary,
    UnhandledException,
    LostLines,
)


class Field(NamedTuple):
    """A field in the documentation's table."""

    name: str
    type: str
    meaning: str
    lines: tuple[str, ...]


def fields() -> Sequence[Field]:
    """Return all fields of all kinds of lines."""
    annotations = {
        name: {kind.__name__: one.type for kind in KINDS for one in dataclass_fields(kind) if one.name == name}
        for name in MEANINGS
    }
    return [
        Field(name, _json_type(name, next(iter(of_kind.values()))), MEANINGS[name], tuple(of_kind))
        for name, of_kind in annotations.items()
    ]


def _json_type(name: str, annotation: Any) -> str:
    if name == "timestamp":
        return "date"
    types = {float: "number", int: "integer"}
    return next((types[part] for part in (annotation, *get_args(annotation)) if part in types), "string")
