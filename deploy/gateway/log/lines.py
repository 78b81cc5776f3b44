"""The lines of the log: what each kind says.

A line's fields are written in the order of its class, a field that is None is left out, and ``MEANINGS`` says once
what each field means, whatever line it is in.
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
    "text_classification",
]
Process = Literal["gateway", "server"]
AlertStatus = Literal["firing", "resolved"]

MEANINGS = {
    "timestamp": "When it happened: UTC with milliseconds, as ISO 8601 writes it.",
    "level": "How grave it is: INFO, WARNING or ERROR.",
    "module": "The part that tells it.",
    "task": "What the part was doing; for an alert, the alert's name.",
    "status": "How it went.",
    "request_id": "The request's X-Request-Id, the caller's or one of ours: the same in all of its lines.",
    "trace_id": "The trace's id from the caller's W3C traceparent.",
    "model_name": "The model that was asked or loaded.",
    "model_version": "The version that answered or was loaded.",
    "batch_size": "How many sentences the request had; each has a line.",
    "input_text": "The sentence without personal data, or its digest.",
    "predicted_token": "The best answer; one of the words that the caller gave is written as the sentence is.",
    "score": "How probable the best answer is, from 0 to 1; of given words, per token; for similarity, the cosine.",
    "inference_time_ms": "The model server's share of the request, from sending to the answer.",
    "tokenize_time_ms": "The tokenizer's share of the request.",
    "total_time_ms": "The whole request in the gateway, or the whole of another task.",
    "load_time_ms": "How long the model took to load.",
    "device": "What computes: the GPU's name, or cpu.",
    "process": "Whose resources: gateway or server.",
    "pid": "The process's number.",
    "cpu_percent": "Share of one core since the line before; two busy cores are 200.",
    "memory_mb": "Resident memory of the process, in units of 2^20 bytes.",
    "gpu_memory_mb": "GPU memory in use by all processes, in units of 2^20 bytes; 0 where the CPU computes.",
    "gpu_utilization_percent": "How much of the time the busiest GPU was computing.",
    "value": "What was measured, in the unit of the alert's or check's threshold.",
    "threshold": "The limit that it is compared with.",
    "sample_rate": "The share of such lines that is written, if not all are (a sample of the successes, the first of a "
    "second's requests refused with 429): the line stands for 1 / sample_rate.",
    "lost_lines": "How many lines were lost since the log last said so.",
    "error_type": "The class of the error.",
    "error": "The error's message, without personal data.",
    "traceback": "Where an unhandled exception came from, without personal data.",
}
"""What each field means, in the order of the documentation's table."""


class CallersWord(str):
    """An answer that is one of the words the caller gave: to the log, it is as private as the sentence."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What every line says.

    Attributes:
        timestamp: in seconds since 1970.
        level: by default what the status says: ERROR for failures, WARNING for what needs attention, else INFO.
    """

    timestamp: float = field(default_factory=time.time)
    level: Level | None = None
    module: str
    task: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference(Line):
    """One sentence of a request."""

    module: Literal["inference"] = "inference"
    task: InferenceTask
    status: Literal["success", "low_confidence", "failed"]
    request_id: str
    trace_id: str | None = None
    model_name: str | None = None
    model_version: int | None = None
    batch_size: int | None = None
    input_text: str | None = None
    predicted_token: str | None = None
    score: float | None = None
    inference_time_ms: float | None = None
    tokenize_time_ms: float | None = None
    total_time_ms: float | None = None
    gpu_memory_mb: float | None = None
    sample_rate: float | None = None
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoad(Line):
    """A model version begins to load, is loaded or could not be loaded; a slow load is a WARNING."""

    module: Literal["loading"] = "loading"
    task: Literal["model_load"] = "model_load"
    status: Literal["start", "success", "failed"]
    model_name: str
    model_version: int | None = None
    load_time_ms: float | None = None
    threshold: float | None = None
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Line):
    """A GPU was found, or there is none (any more) and the CPU computes."""

    module: Literal["device"] = "device"
    task: Literal["gpu_status"] = "gpu_status"
    status: Literal["active", "cpu_fallback"]
    device: str
    gpu_memory_mb: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage(Line):
    """What a process uses, told at regular intervals."""

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
    """An alert began (WARNING) or ended (INFO); its name is the task.

    It is no ERROR: what went wrong has ERRORs of its own, and who counts those does not count it twice.
    """

    module: Literal["alert"] = "alert"
    status: AlertStatus
    value: float | None = None
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary(Line):
    """The golden prompts were asked, and how far the answers are from the version's own baseline."""

    module: Literal["canary"] = "canary"
    task: Literal["output_consistency"] = "output_consistency"
    status: Literal["success", "drift", "failed"]
    model_name: str
    model_version: int | None = None
    total_time_ms: float | None = None
    value: float | None = None
    threshold: float | None = None
    error_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhandledException(Line):
    """An exception that nothing expected."""

    module: Literal["system"] = "system"
    task: Literal["unhandled_exception"] = "unhandled_exception"
    status: Literal["failed"] = "failed"
    request_id: str | None = None
    trace_id: str | None = None
    error_type: str
    error: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLines(Line):
    """Lines could not be written and are gone; told once, when the log works again."""

    module: Literal["system"] = "system"
    task: Literal["lost_lines"] = "lost_lines"
    status: Literal["failed"] = "failed"
    lost_lines: int
    error: str | None = None


KINDS: tuple[type[Line], ...] = (
    Inference,
    ModelLoad,
    Device,
    ResourceUsage,
    Alert,
    Canary,
    UnhandledException,
    LostLines,
)


class Field(NamedTuple):
    """One row of the documentation's table: the name, JSON's type, the meaning, and the classes of lines it is in."""

    name: str
    type: str
    meaning: str
    lines: tuple[str, ...]


def fields() -> Sequence[Field]:
    """Return every field of every kind of line, for the documentation."""
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
