"""Which alerts there are: ``ALERTS``, from which the documentation is made, too."""

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
class Described:
    """One alert.

    Attributes:
        name: the ``task`` of its lines in the log and the label ``alert`` of its metrics.
        fires: when it begins.
        ends: when it ends.
        settings: the variables that change it.
        what_to_do: where to look first.
        begun: what is said when it begins; ``{value}`` and ``{threshold}`` are filled in.
        ended: what is said when it ends, likewise.
    """

    name: AlertName
    fires: str
    ends: str
    settings: tuple[str, ...]
    what_to_do: str
    begun: str
    ended: str


_WINDOW_ENDS = "that has not been so for a sixth of the window; a window without sentences is well"

ALERTS = (
    Described(
        "consecutive_errors",
        "five lines (or as many as set) about requests in a row are ERRORs, whatever the task; a batch that fails has "
        "a line for each sentence, and callers' mistakes, which are WARNINGs, neither count nor interrupt",
        "a sentence is answered, even if the log's sample leaves its line out",
        ("GATEWAY_ALERT_ERRORS",),
        "read `error_type` and `error` of the latest ERROR lines: is the model server there, overloaded, or another "
        "version?",
        "{value:.0f} errors came in a row and no answer between them.",
        "A sentence was answered again.",
    ),
    Described(
        "mean_latency",
        "the mean `total_time_ms` of the sentences answered in the window is above the limit, and there are enough; a "
        "sentence of a batch takes as long as its batch",
        _WINDOW_ENDS,
        ("GATEWAY_ALERT_LATENCY_MS", "GATEWAY_ALERT_WINDOW_S", "GATEWAY_ALERT_MIN_SENTENCES"),
        "compare the stages in `gateway_stage_seconds`: a long queue wants replicas, a long inference a look at CPU or "
        "GPU",
        "Sentences take {value:.4g} ms on average, more than {threshold:g} ms.",
        "Sentences no longer take more than {threshold:g} ms on average.",
    ),
    Described(
        "low_confidence_share",
        "more than this share of the sentences whose mask was filled in the window has low confidence, and there are "
        "enough",
        _WINDOW_ENDS,
        (
            "GATEWAY_ALERT_LOW_CONFIDENCE",
            "GATEWAY_LOW_CONFIDENCE",
            "GATEWAY_ALERT_WINDOW_S",
            "GATEWAY_ALERT_MIN_SENTENCES",
        ),
        "read some `low_confidence` lines: other texts than usual, or a worse version of the model?",
        "{value:.0%} of the filled masks have a low confidence, more than {threshold:.0%}.",
        "No longer more than {threshold:.0%} of the filled masks have a low confidence.",
    ),
    Described(
        "output_drift",
        "the answers to the golden prompts are farther from the version's own baseline than the limit",
        "a later check is within the limit; a check that fails says nothing about the answers and changes nothing",
        ("GATEWAY_DRIFT_THRESHOLD", "GATEWAY_CONSISTENCY_INTERVAL_S", "GATEWAY_MODEL_FOLDER"),
        "compare the served files with the version's manifest, and the server's library and device with before; if in "
        "doubt, go back to the version before",
        "The answers to the golden prompts are {value:.3g} away from the version's baseline, more than {threshold:g}.",
        "The answers to the golden prompts are within {threshold:g} of the version's baseline again.",
    ),
    Described(
        "model_not_ready",
        "no version of the model could be asked for 30 s, or as long as set",
        "a version can be asked",
        ("GATEWAY_ALERT_NOT_READY_S",),
        "read `reason` of `/healthz`, then the model server's own log",
        "The model has not been ready for {value:.0f} s.",
        "The model is ready again.",
    ),
    Described(
        "lost_log_lines",
        "lines of the request log were lost, or the log cannot be written",
        "the log could be written without a loss for the length of the window",
        ("GATEWAY_ALERT_WINDOW_S",),
        "read `log.problem` of `/healthz`: a full disk, a folder without the right to write, a disk that is too slow?",
        "The request log cannot be written or lost lines: {value:.0f} since the start.",
        "The request log is written again without loss.",
    ),
    Described(
        "gpu_lost",
        "a GPU was in use since the start and cannot be seen any more",
        "a GPU can be seen again",
        (),
        "run `nvidia-smi` where the gateway runs and look for Xid messages in the kernel's log; answers go on by the "
        "CPU, or not at all",
        "The GPU that was in use cannot be seen any more.",
        "A GPU can be seen again.",
    ),
)


def table() -> str:
    """Return the alerts as a table for the documentation."""
    rows = ["| alert | begins when | ends when | settings | what to do |", "|---|---|---|---|---|"]
    for one in ALERTS:
        settings = ", ".join(f"`{name}`" for name in one.settings)
        rows.append(f"| `{one.name}` | {one.fires} | {one.ends} | {settings} | {one.what_to_do} |")
    return "\n".join(rows)
