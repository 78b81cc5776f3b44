"""Read the settings from flags and environment variables."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from deploy.gateway.log.request_log import SHORTEST_KEY, TextMode

WebhookFormat = Literal["json", "slack", "feishu", "dingtalk", "wecom"]
StdoutFormat = Literal["none", "json"]

LONGEST_LABEL = 255
"""The maximum length of an instance's name, as of a host name."""


class SettingsError(ValueError):
    """A setting is invalid. The message is shown to the user."""


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            msg = f"give a whole number from {low} to {high}"
            raise ValueError(msg)
        return int(text)

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            msg = f"give a number from {low:g} to {high:g}"
            raise ValueError(msg)
        return value

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            msg = f"give one of {', '.join(choices)}"
            raise ValueError(msg)
        return text

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        msg = "give true or false"
        raise ValueError(msg)
    return text.lower() in {"true", "1"}


def _web_address(text: str) -> str:
    import httpx2

    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        msg = "write it as https://host/path"
        raise ValueError(msg)
    return text


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _bearer_token(text: str) -> str:
    if not _fits_a_header(text):
        msg = "give printable ASCII characters without spaces"
        raise ValueError(msg)
    return text


def _label(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST_LABEL:
        msg = f"give at most {LONGEST_LABEL} printable characters"
        raise ValueError(msg)
    return text


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _setting(variable: str, parse: Callable[[str], Any], about: str) -> dict[str, Any]:
    return {"variable": variable, "parse": parse, "about": about}


@dataclass(frozen=True, slots=True)
class Settings:
    """The gateway's settings; the field ``max_batch`` is the flag ``--max-batch``."""

    host: str = field(default="127.0.0.1", metadata=_setting("GATEWAY_HOST", str, "address to listen on"))
    port: int = field(
        default=8000, metadata=_setting("GATEWAY_PORT", _whole(0, 65535), "port to listen on; 0 takes a free one")
    )
    serving_url: tuple[str, ...] = field(
        default=("grpc://127.0.0.1:8500",),
        metadata=_setting(
            "SERVING_URL", _list, "address of the model server; several, separated by commas, share the load"
        ),
    )
    model_name: str = field(default="bert_mlm", metadata=_setting("MODEL_NAME", str, "the model's name on the server"))
    timeout_s: float = field(
        default=10.0,
        metadata=_setting(
            "GATEWAY_TIMEOUT_S", _number(0.01, 3600), "timeout of a request to the model server, in seconds"
        ),
    )
    answer_timeout_s: float = field(
        default=30.0,
        metadata=_setting(
            "GATEWAY_ANSWER_TIMEOUT_S",
            _number(0.01, 3600),
            "timeout of an answer that needs several requests to the model server, in seconds; then 504",
        ),
    )
    api_keys: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=_setting(
            "GATEWAY_API_KEYS",
            _list,
            "keys, separated by commas, one of which a request must have; without any, access is open",
        ),
    )
    api_keys_file: Path | None = field(
        default=None,
        metadata=_setting("GATEWAY_API_KEYS_FILE", Path, "file with further keys, one per line; # begins a comment"),
    )
    metrics_key: bool = field(
        default=False, metadata=_setting("GATEWAY_METRICS_KEY", _switch, "whether /metrics requires a key, too")
    )
    max_body_bytes: int = field(
        default=2**20,
        metadata=_setting(
            "GATEWAY_MAX_BODY_BYTES", _whole(1, 2**30), "largest request body, in bytes; larger ones get 413"
        ),
    )
    max_connections: int = field(
        default=512,
        metadata=_setting(
            "GATEWAY_MAX_CONNECTIONS", _whole(1, 1_000_000), "most open connections; further ones get 503"
        ),
    )
    client_timeout_s: float = field(
        default=10.0,
        metadata=_setting(
            "GATEWAY_CLIENT_TIMEOUT_S",
            _number(0.01, 3600),
            "how long a client may take to send a header, to send a body, or to continue reading, in seconds",
        ),
    )
    max_batch: int = field(
        default=128,
        metadata=_setting(
            "GATEWAY_MAX_BATCH", _whole(1, 100_000), "most sentences or pairs of one request; more get 413"
        ),
    )
    max_top_k: int = field(
        default=100,
        metadata=_setting(
            "GATEWAY_MAX_TOP_K", _whole(1, 100_000), "most candidates for a mask, and most words to compare"
        ),
    )
    max_answer_bytes: int = field(
        default=2**23,
        metadata=_setting(
            "GATEWAY_MAX_ANSWER_BYTES",
            _whole(1, 2**30),
            "approximate largest answer to one request, in bytes; larger ones get 413",
        ),
    )
    max_concurrency: int = field(
        default=64,
        metadata=_setting("GATEWAY_MAX_CONCURRENCY", _whole(1, 100_000), "most requests answered concurrently"),
    )
    max_queue: int = field(
        default=256,
        metadata=_setting(
            "GATEWAY_MAX_QUEUE", _whole(0, 100_000), "most requests waiting in the queue; further ones get 429"
        ),
    )
    queue_timeout_s: float = field(
        default=5.0,
        metadata=_setting(
            "GATEWAY_QUEUE_TIMEOUT_S",
            _number(0.01, 3600),
            "longest wait in the queue, in seconds; then 429",
        ),
    )
    low_confidence: float = field(
        default=0.1,
        metadata=_setting(
            "GATEWAY_LOW_CONFIDENCE", _number(0, 1), "best score below which an answer is logged as low_confidence"
        ),
    )
    slow_load_s: float = field(
        default=60.0,
        metadata=_setting(
            "GATEWAY_SLOW_LOAD_S",
            _number(0.01, 86_400),
            "load time above which a load is logged as a WARNING, in seconds",
        ),
    )
    log_folder: Path = field(
        default=Path("logs"), metadata=_setting("GATEWAY_LOG_FOLDER", Path, "folder of the request log, gateway.log")
    )
    instance: str = field(
        default="",
        metadata=_setting(
            "GATEWAY_INSTANCE", _label, "name of this gateway in its log lines and alerts; empty is the host name"
        ),
    )
    log_stdout: StdoutFormat = field(
        default="none",
        metadata=_setting(
            "GATEWAY_LOG_STDOUT",
            _one_of(*get_args(StdoutFormat)),
            "json writes the log's lines to standard output, too; none writes only the file",
        ),
    )
    log_text: TextMode = field(
        default="masked",
        metadata=_setting(
            "GATEWAY_LOG_TEXT",
            _one_of(*get_args(TextMode)),
            "how sentences are logged: masked (without personal data), digest or none",
        ),
    )
    log_digest_key: str = field(
        default="",
        repr=False,
        metadata=_setting("GATEWAY_LOG_DIGEST_KEY", str, "secret of the digests, for GATEWAY_LOG_TEXT=digest"),
    )
    log_sample_rate: float = field(
        default=1.0,
        metadata=_setting(
            "GATEWAY_LOG_SAMPLE_RATE", _number(1e-6, 1), "share of successes that are logged; failures always are"
        ),
    )
    log_rotate: bool = field(
        default=True,
        metadata=_setting(
            "GATEWAY_LOG_ROTATE", _switch, "whether the gateway rotates its log itself; false leaves it to logrotate"
        ),
    )
    log_max_bytes: int = field(
        default=256 * 2**20,
        metadata=_setting("GATEWAY_LOG_MAX_BYTES", _whole(4096, 2**40), "size at which the log is rotated, in bytes"),
    )
    log_keep: int = field(
        default=14, metadata=_setting("GATEWAY_LOG_KEEP", _whole(1, 10_000), "number of rotated logs to keep")
    )
    resource_interval_s: float = field(
        default=10.0,
        metadata=_setting(
            "GATEWAY_RESOURCE_INTERVAL_S", _number(0.1, 3600), "interval of the lines about resource use, in seconds"
        ),
    )
    alert_webhook: str = field(
        default="",
        repr=False,
        metadata=_setting(
            "GATEWAY_ALERT_WEBHOOK", _web_address, "URL to which alerts are sent when they begin and when they end"
        ),
    )
    alert_webhook_token: str = field(
        default="",
        repr=False,
        metadata=_setting("GATEWAY_ALERT_WEBHOOK_TOKEN", _bearer_token, "bearer token for that URL"),
    )
    alert_webhook_format: WebhookFormat = field(
        default="json",
        metadata=_setting(
            "GATEWAY_ALERT_WEBHOOK_FORMAT",
            _one_of(*get_args(WebhookFormat)),
            f"format of the notices: {', '.join(get_args(WebhookFormat))}",
        ),
    )
    alert_errors: int = field(
        default=5,
        metadata=_setting("GATEWAY_ALERT_ERRORS", _whole(1, 1_000_000), "ERRORs in a row that raise an alert"),
    )
    alert_latency_ms: float = field(
        default=500.0,
        metadata=_setting(
            "GATEWAY_ALERT_LATENCY_MS",
            _number(0.001, 3_600_000),
            "mean latency of a sentence that raises an alert if exceeded, in milliseconds",
        ),
    )
    alert_low_confidence: float = field(
        default=0.5,
        metadata=_setting(
            "GATEWAY_ALERT_LOW_CONFIDENCE",
            _number(0, 1),
            "share of low_confidence that raises an alert if exceeded; 1 is never",
        ),
    )
    alert_window_s: int = field(
        default=60,
        metadata=_setting(
            "GATEWAY_ALERT_WINDOW_S", _whole(1, 3600), "window of the mean latency and the share, in seconds"
        ),
    )
    alert_min_sentences: int = field(
        default=20,
        metadata=_setting(
            "GATEWAY_ALERT_MIN_SENTENCES",
            _whole(1, 1_000_000),
            "sentences in the window below which neither alert begins",
        ),
    )
    alert_not_ready_s: float = field(
        default=30.0,
        metadata=_setting(
            "GATEWAY_ALERT_NOT_READY_S",
            _number(0, 86_400),
            "how long the model may be not ready before an alert begins, in seconds",
        ),
    )
    model_folder: Path | None = field(
        default=None,
        metadata=_setting(
            "GATEWAY_MODEL_FOLDER",
            Path,
            "folder of the served versions, such as models/bert_mlm, to check answers by their manifests",
        ),
    )
    consistency_interval_s: float = field(
        default=300.0,
        metadata=_setting(
            "GATEWAY_CONSISTENCY_INTERVAL_S",
            _number(1, 86_400),
            "interval of the checks that the model answers as at export, in seconds",
        ),
    )
    drift_threshold: float = field(
        default=0.05,
        metadata=_setting(
            "GATEWAY_DRIFT_THRESHOLD",
            _number(0, 1),
            "share of probability moved since the export above which a check warns",
        ),
    )
    grace_s: int = field(
        default=10,
        metadata=_setting(
            "GATEWAY_GRACE_S", _whole(0, 3600), "how long a stop waits for requests in flight, in seconds"
        ),
    )

    @classmethod
    def load(cls, arguments: Sequence[str] = (), environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read flags, then environment variables; an empty variable is ignored.

        Raises:
            SettingsError: a value is invalid.
            SystemExit: an unknown flag (status 2) or ``--help`` (status 0).
        """
        given = vars(_parser().parse_args(arguments))
        values: dict[str, Any] = {}
        for one in fields(cls):
            variable = one.metadata["variable"]
            name, text = _flag(one.name), given.get(one.name)
            if text is None:
                name, text = variable, environment.get(variable, "")
                if not text:
                    continue
            try:
                values[one.name] = one.metadata["parse"](text)
            except ValueError as error:
                shown = f"{name} is {text!r}" if one.repr else f"{name} cannot be used"
                msg = f"{shown}; {error}"
                raise SettingsError(msg) from error
        settings = cls(**values)
        if not settings.serving_url:
            msg = "SERVING_URL has no address; write grpc://127.0.0.1:8500 or http://127.0.0.1:8501"
            raise SettingsError(msg)
        if settings.log_text == "digest" and len(settings.log_digest_key) < SHORTEST_KEY:
            msg = (
                f"GATEWAY_LOG_DIGEST_KEY needs {SHORTEST_KEY} characters or more; make one with `openssl rand -hex 32`"
            )
            raise SettingsError(msg)
        settings.keys()
        return settings

    def keys(self) -> tuple[str, ...]:
        """Return all API keys.

        Raises:
            SettingsError: the file cannot be read, or a key is too short or has invalid characters.
        """
        keys = list(self.api_keys)
        if self.api_keys_file is not None:
            try:
                lines = self.api_keys_file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                msg = f"GATEWAY_API_KEYS_FILE {self.api_keys_file} cannot be read ({error}); write one key per line"
                raise SettingsError(msg) from error
            keys += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
            if not keys:
                msg = (
                    f"GATEWAY_API_KEYS_FILE {self.api_keys_file} has no key; write one per line, or remove the setting"
                )
                raise SettingsError(msg)
        if any(len(key) < SHORTEST_KEY for key in keys):
            msg = f"an API key is shorter than {SHORTEST_KEY} characters; make one with `openssl rand -hex 32`"
            raise SettingsError(msg)
        for number, key in enumerate(keys, start=1):
            if not _fits_a_header(key):
                msg = (
                    f"API key {number} of {len(keys)} has a space or a character that is not valid in a header; "
                    "use printable ASCII characters only, such as those of `openssl rand -hex 32`"
                )
                raise SettingsError(msg)
        return tuple(keys)


SECRETS = tuple(one.metadata["variable"] for one in fields(Settings) if not one.repr)
"""Settings without a flag, since all users of a machine can read the flags of its processes."""


_OTHERS = (
    "Other commands: report summarizes a time range of the request log (report --help), openapi prints the "
    "API's OpenAPI document, monitoring the page about every field, metric, alert and setting."
)


def describe() -> list[tuple[str, str, str]]:
    """Return each setting's variable, default and description."""
    return [(one.metadata["variable"], _written(one.default), one.metadata["about"]) for one in fields(Settings)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.gateway serve",
        description="Serve the gateway.",
        epilog=f"Secrets can only be set as variables: {', '.join(SECRETS)}. {_OTHERS}",
        allow_abbrev=False,
    )
    for one in fields(Settings):
        if one.metadata["variable"] in SECRETS:
            continue
        default = f" (default {_written(one.default)})" if one.default not in {None, ()} else ""
        parser.add_argument(
            _flag(one.name), metavar="VALUE", help=f"{one.metadata['about']}; {one.metadata['variable']}{default}"
        )
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else str(default)
