"""Define the settings with their defaults and limits."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.gateway.log.request_log import SHORTEST_KEY, TextMode
from deploy.gateway.settings.errors import SettingsError
from deploy.gateway.settings.keys import read_keys
from deploy.gateway.settings.values import (
    BearerToken,
    Bytes,
    CommaSeparated,
    Count,
    EngineName,
    Label,
    LargeCount,
    Port,
    Seconds,
    Share,
    StdoutFormat,
    WebAddress,
    WebhookFormat,
)

IN_PROCESS = "in-process"
"""The address of the engine in this process."""


class Settings(BaseSettings):
    """The gateway's settings.

    ``max_batch`` is ``GATEWAY_MAX_BATCH`` and the flag ``--max-batch``. A field without ``repr`` is a secret, which has
    no flag.
    """

    model_config = SettingsConfigDict(
        alias_generator=lambda name: f"GATEWAY_{name.upper()}",
        case_sensitive=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=8000, description="port to listen on; 0 takes a free one")
    serving_url: CommaSeparated = Field(
        default=("grpc://127.0.0.1:8500",),
        alias="SERVING_URL",
        description="address of the model server; several, separated by commas, share the load",
    )
    model_name: str = Field(default="bert_mlm", alias="MODEL_NAME", description="the model's name on the server")
    classifier: Label = Field(
        default="", description="name of a text classifier on the same server, for /v1/classify; empty for none"
    )
    engine: EngineName = Field(
        default="none",
        description="onnx runs the light engine in this process, with the versions in GATEWAY_MODEL_FOLDER; none asks "
        "SERVING_URL",
    )
    engine_threads: int = Field(default=0, ge=0, le=1024, description="cores for one run of that engine; 0 is all")
    timeout_s: Seconds = Field(default=10.0, description="timeout of a request to the model server, in seconds")
    answer_timeout_s: Seconds = Field(
        default=30.0,
        description="timeout of an answer that needs several requests to the model server, in seconds; then 504",
    )

    api_keys: CommaSeparated = Field(
        default=(),
        repr=False,
        description="keys, separated by commas, one of which a request must have; without any, access is open",
    )
    api_keys_file: Path | None = Field(
        default=None, description="file with further keys, one per line; # begins a comment"
    )
    metrics_key: bool = Field(default=False, description="whether /metrics requires a key, too")

    max_body_bytes: Bytes = Field(default=2**20, description="largest request body, in bytes; larger ones get 413")
    max_connections: LargeCount = Field(default=512, description="most open connections; further ones get 503")
    client_timeout_s: Seconds = Field(
        default=10.0,
        description="how long a client may take to send a header, to send a body, or to continue reading, in seconds",
    )
    max_batch: Count = Field(default=128, description="most sentences or pairs of one request; more get 413")
    max_proofread_characters: Count = Field(
        default=2048, description="most characters to proofread in one request; more get 413"
    )
    max_top_k: Count = Field(default=100, description="most candidates for a mask, and most words to compare")
    max_answer_bytes: Bytes = Field(
        default=2**23, description="approximate largest answer to one request, in bytes; larger ones get 413"
    )
    max_concurrency: Count = Field(default=64, description="most requests answered concurrently")
    max_queue: int = Field(
        default=256, ge=0, le=100_000, description="most requests waiting in the queue; further ones get 429"
    )
    queue_timeout_s: Seconds = Field(default=5.0, description="longest wait in the queue, in seconds; then 429")

    low_confidence: Share = Field(
        default=0.1, description="best score below which an answer is logged as low_confidence"
    )
    slow_load_s: float = Field(
        default=60.0, ge=0.01, le=86_400, description="load time above which a load is logged as a WARNING, in seconds"
    )
    log_folder: Path = Field(default=Path("logs"), description="folder of the request log, gateway.log")
    instance: Label = Field(
        default="", description="name of this gateway in its log lines and alerts; empty is the host name"
    )
    log_stdout: StdoutFormat = Field(
        default="none", description="json writes the log's lines to standard output, too; none writes only the file"
    )
    log_text: TextMode = Field(
        default="masked", description="how sentences are logged: masked (without personal data), digest or none"
    )
    log_digest_key: str = Field(
        default="", repr=False, description="secret of the digests, for GATEWAY_LOG_TEXT=digest"
    )
    log_sample_rate: float = Field(
        default=1.0, ge=1e-6, le=1, description="share of successes that are logged; failures always are"
    )
    log_rotate: bool = Field(
        default=True, description="whether the gateway rotates its log itself; false leaves it to logrotate"
    )
    log_max_bytes: int = Field(
        default=256 * 2**20, ge=4096, le=2**40, description="size at which the log is rotated, in bytes"
    )
    log_keep: int = Field(default=14, ge=1, le=10_000, description="number of rotated logs to keep")
    resource_interval_s: float = Field(
        default=10.0, ge=0.1, le=3600, description="interval of the lines about resource use, in seconds"
    )

    alert_webhook: WebAddress | None = Field(
        default=None, repr=False, description="URL to which alerts are sent when they begin and when they end"
    )
    alert_webhook_token: BearerToken = Field(default="", repr=False, description="bearer token for that URL")
    alert_webhook_format: WebhookFormat = Field(
        default="json", description="format of the notices: json, slack, feishu, dingtalk, wecom"
    )
    alert_errors: LargeCount = Field(default=5, description="ERRORs in a row that raise an alert")
    alert_latency_ms: float = Field(
        default=500.0,
        ge=0.001,
        le=3_600_000,
        description="mean latency of a sentence that raises an alert if exceeded, in milliseconds",
    )
    alert_low_confidence: Share = Field(
        default=0.5, description="share of low_confidence that raises an alert if exceeded; 1 is never"
    )
    alert_window_s: int = Field(
        default=60, ge=1, le=3600, description="window of the mean latency and the share, in seconds"
    )
    alert_min_sentences: LargeCount = Field(
        default=20, description="sentences in the window below which neither alert begins"
    )
    alert_not_ready_s: float = Field(
        default=30.0,
        ge=0,
        le=86_400,
        description="how long the model may be not ready before an alert begins, in seconds",
    )

    model_folder: Path | None = Field(
        default=None,
        description="folder of the served versions, such as models/bert_mlm, to check answers by their manifests",
    )
    classifier_folder: Path | None = Field(
        default=None,
        description="folder of the classifier's versions, to check its answers; empty is the folder of its name beside "
        "GATEWAY_MODEL_FOLDER",
    )
    consistency_interval_s: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="interval of the checks that the model answers as at export, in seconds",
    )
    drift_threshold: Share = Field(
        default=0.05, description="share of probability moved since the export above which a check warns"
    )
    grace_s: int = Field(
        default=10, ge=0, le=3600, description="how long a stop waits for requests in flight, in seconds"
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the model servers, or ``in-process``."""
        return self.serving_url if self.engine == "none" else (IN_PROCESS,)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.engine != "none":
            self._check_engine()
        if not self.serving_url:
            msg = "SERVING_URL has no address; write grpc://127.0.0.1:8500 or http://127.0.0.1:8501"
            raise SettingsError(msg)
        if self.log_text == "digest" and len(self.log_digest_key) < SHORTEST_KEY:
            msg = (
                f"GATEWAY_LOG_DIGEST_KEY needs {SHORTEST_KEY} characters or more; make one with `openssl rand -hex 32`"
            )
            raise SettingsError(msg)
        self.keys()
        return self

    @property
    def classifier_versions(self) -> Path | None:
        """The folder of the classifier's versions.

        None disables the checks of its answers.
        """
        if self.classifier_folder is not None or self.model_folder is None:
            return self.classifier_folder
        return self.model_folder.parent / self.classifier

    def _check_engine(self) -> None:
        if "serving_url" in self.model_fields_set:
            msg = "GATEWAY_ENGINE and SERVING_URL exclude each other; remove one of them"
            raise SettingsError(msg)
        if self.model_folder is None:
            msg = (
                "GATEWAY_ENGINE needs GATEWAY_MODEL_FOLDER, the folder of the exported versions, such as "
                "models/bert_mlm"
            )
            raise SettingsError(msg)

    def keys(self) -> tuple[str, ...]:
        """Return all API keys.

        Raises:
            SettingsError: the file cannot be read, or a key is invalid.
        """
        return read_keys(self.api_keys, self.api_keys_file)
