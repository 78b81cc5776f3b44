"""Define the alerts.

The documentation is generated from ``ALERTS``.
"""

from dataclasses import dataclass
from typing import Literal

AlertName = Literal[
    "consecutive_errors",
    "mean_latency",
    "low_confidence_share",
    "output_drift",
    "model_not_ready",
    "lost_log_lines",
    "gpu_lost",
]


@dataclass(frozen=True, slots=True)
class AlertDefinition:
    """The definition of an alert.

    Attributes:
        name: the ``task`` of its log lines and the label ``alert`` of its metrics.
        fires: when it starts to fire.
        ends: when it ends.
        settings: the variables that configure it.
        what_to_do: the first step of an investigation.
        begun: the message at its start, with the placeholders ``{value}`` and ``{threshold}``.
        ended: the message at its end, with the same placeholders.
    """

    name: AlertName
    fires: str
    ends: str
    settings: tuple[str, ...]
    what_to_do: str
    begun: str
    ended: str


_WINDOW_ENDS = "the condition has not held for a sixth of the window; it does not hold in an empty window"

ALERTS = (
    AlertDefinition(
        "consecutive_errors",
        "five consecutive lines about requests (or as many as set) of any task are ERRORs; a failed batch has a line "
        "for each sentence; callers' errors, which are WARNINGs, neither count nor interrupt",
        "a sentence is answered, even if sampling drops its line",
        ("GATEWAY_ALERT_ERRORS",),
        "read `error_type` and `error` of the latest ERROR lines: is the model server down, overloaded, or of another "
        "version?",
        "{value:.0f} consecutive errors without an answer.",
        "A sentence was answered again.",
    ),
    AlertDefinition(
        "mean_latency",
        "the mean `total_time_ms` of the sentences answered in the window is above the limit, with at least the "
        "minimum of sentences; a sentence of a batch takes as long as its batch; proofreading does not count: it takes "
        "longer the longer its text is",
        _WINDOW_ENDS,
        ("GATEWAY_ALERT_LATENCY_MS", "GATEWAY_ALERT_WINDOW_S", "GATEWAY_ALERT_MIN_SENTENCES"),
        "compare the stages in `gateway_stage_seconds`: for a long queue add replicas, for a long inference check CPU "
        "or GPU",
        "Sentences take {value:.4g} ms on average, more than {threshold:g} ms.",
        "Sentences no longer take more than {threshold:g} ms on average.",
    ),
    AlertDefinition(
        "low_confidence_share",
        "the share of low confidence among the filled sentences in the window is above the limit, with at least the "
        "minimum of sentences",
        _WINDOW_ENDS,
        (
            "GATEWAY_ALERT_LOW_CONFIDENCE",
            "GATEWAY_LOW_CONFIDENCE",
            "GATEWAY_ALERT_WINDOW_S",
            "GATEWAY_ALERT_MIN_SENTENCES",
        ),
        "read some `low_confidence` lines: other texts than usual, or a worse model version?",
        "{value:.0%} of the filled masks have a low confidence, more than {threshold:.0%}.",
        "No longer more than {threshold:.0%} of the filled masks have a low confidence.",
    ),
    AlertDefinition(
        "output_drift",
        "the drift of the answers to the golden prompts from the version's baseline is above the limit, for the model "
        "or the classifier",
        "a later check is within the limit; a failed check changes nothing",
        (
            "GATEWAY_DRIFT_THRESHOLD",
            "GATEWAY_CONSISTENCY_INTERVAL_S",
            "GATEWAY_MODEL_FOLDER",
            "GATEWAY_CLASSIFIER_FOLDER",
        ),
        "compare the served files with the version's manifest, and the server's library and device with before; if in "
        "doubt, go back to the previous version",
        "The answers to the golden prompts are {value:.3g} away from the version's baseline, more than {threshold:g}.",
        "The answers to the golden prompts are within {threshold:g} of the version's baseline again.",
    ),
    AlertDefinition(
        "model_not_ready",
        "no version of the model, or of the classifier if there is one, was available for 30 s, or as long as set",
        "a version of each is available",
        ("GATEWAY_ALERT_NOT_READY_S",),
        "read `reason` of `/healthz`, then the model server's own log",
        "A model has not been ready for {value:.0f} s.",
        "Every model is ready again.",
    ),
    AlertDefinition(
        "lost_log_lines",
        "lines of the request log, or of its copy on standard output, were lost, or cannot be written",
        "the log could be written without a loss for the length of the window",
        ("GATEWAY_ALERT_WINDOW_S",),
        "read `log` of `/healthz`: a full disk, a folder without write permission, a slow disk, a closed or slow "
        "reader of standard output?",
        "The request log cannot be written or lost lines: {value:.0f} since the start.",
        "The request log is written again without loss.",
    ),
    AlertDefinition(
        "gpu_lost",
        "a GPU was in use since the start and is not available any more",
        "a GPU is available again",
        (),
        "run `nvidia-smi` where the gateway runs and look for Xid messages in the kernel's log; the CPU answers, or "
        "nothing does",
        "The GPU that was in use is not available any more.",
        "A GPU is available again.",
    ),
)


def table() -> str:
    """Return the alerts as a Markdown table."""
    rows = ["| alert | begins when | ends when | settings | what to do |", "|---|---|---|---|---|"]
    for one in ALERTS:
        settings = ", ".join(f"`{name}`" for name in one.settings)
        rows.append(f"| `{one.name}` | {one.fires} | {one.ends} | {settings} | {one.what_to_do} |")
    return "\n".join(rows)
