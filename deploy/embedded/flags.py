"""Parse TensorFlow Serving's command-line flags."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.engines.choose import ENGINES
from deploy.embedded.errors import StartError

API_VERSION = "2.20.0"

# The other flags of tensorflow_model_server 2.20, accepted so that its command lines work, and why they have no effect.
_SWITCHES_WITHOUT_EFFECT = {
    "enable_profiler": "there is no profiler service",
    "flush_filesystem_caches": "the caches are left to the system",
    "prefer_tflite_model": "only SavedModels are loaded",
    "remove_unused_fields_from_bundle_metagraph": "the graph is not kept",
    "skip_initialize_tpu": "there is no TPU",
    "xla_cpu_compilation_enabled": "the graph is run as exported",
    "xla_gpu_compilation_enabled": "the graph is run as exported",
}
_VALUES_WITHOUT_EFFECT = {
    "grpc_max_threads": "one thread talks gRPC; runs have threads of their own",
    "mixed_precision": "the graph is run as exported",
    "num_tflite_interpreters_per_pool": "only SavedModels are loaded",
    "num_tflite_pools": "only SavedModels are loaded",
    "platform_config_file": "only SavedModels are loaded",
    "tensorflow_session_config_file": "use the tensorflow_*_parallelism flags",
    "thread_pool_factory_config_file": "use the tensorflow_*_parallelism flags",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The server's settings, one field for each flag."""

    host: str
    port: int
    rest_api_port: int
    rest_api_timeout_in_ms: int
    rest_api_enable_cors_support: bool
    model_name: str
    model_base_path: str
    model_config_file: Path | None
    model_config_file_poll_wait_seconds: int
    file_system_poll_wait_seconds: int
    allow_version_labels_for_unavailable_models: bool
    max_num_load_retries: int
    load_retry_interval_micros: int
    num_load_threads: int
    num_unload_threads: int
    enable_batching: bool | None
    """None if the flag is not given; only signatures with ``lengths`` are batched then."""
    batching_parameters_file: Path | None
    enable_per_model_batching_parameters: bool
    engine: str
    saved_model_tags: tuple[str, ...]
    tensorflow_intra_op_parallelism: int
    tensorflow_inter_op_parallelism: int
    per_process_gpu_memory_fraction: float
    enable_model_warmup: bool
    num_request_iterations_for_warmup: int
    enable_serialization_as_tensor_content: bool
    enable_signature_method_name_check: bool
    grpc_channel_arguments: tuple[tuple[str, int | str], ...]
    grpc_socket_path: str
    ssl_config_file: Path | None
    enable_grpc_healthcheck_service: bool
    monitoring_config_file: Path | None
    rest_api_num_threads: int
    without_effect: tuple[str, ...]
    """The given flags that are accepted without effect."""


def parse(arguments: Sequence[str]) -> Settings:
    """Parse a command line, ``--flag=value`` or ``--flag value``.

    Raises:
        SystemExit: an unknown flag or an unreadable value (status 2), ``--help`` or ``--version`` (status 0).
        StartError: flags that contradict each other.
    """
    given = _parser().parse_args(arguments)
    session, intra, inter = (
        given.tensorflow_session_parallelism,
        given.tensorflow_intra_op_parallelism,
        given.tensorflow_inter_op_parallelism,
    )
    if session > 0 and intra > 0 and inter > 0:
        msg = (
            "--tensorflow_session_parallelism sets both --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism; give it or the two others, not all three."
        )
        raise StartError(msg)
    if given.batching_parameters_file is not None and not given.enable_batching:
        msg = "--batching_parameters_file is given without --enable_batching; add --enable_batching or drop the file."
        raise StartError(msg)
    if given.use_alts_credentials:
        msg = (
            "--use_alts_credentials works only on Google Cloud; give gRPC a key and a certificate by --ssl_config_file."
        )
        raise StartError(msg)
    if given.rest_api_port == given.port != 0:
        msg = f"--rest_api_port and --port are both {given.port}; give each API a port of its own."
        raise StartError(msg)
    if not (given.port or given.rest_api_port or given.grpc_socket_path):
        msg = "No address to listen on; give --port, --rest_api_port or --grpc_socket_path."
        raise StartError(msg)
    return Settings(
        host=given.host,
        port=given.port,
        rest_api_port=given.rest_api_port,
        rest_api_timeout_in_ms=given.rest_api_timeout_in_ms,
        rest_api_enable_cors_support=given.rest_api_enable_cors_support,
        model_name=given.model_name,
        model_base_path=given.model_base_path,
        model_config_file=given.model_config_file,
        model_config_file_poll_wait_seconds=given.model_config_file_poll_wait_seconds,
        file_system_poll_wait_seconds=given.file_system_poll_wait_seconds,
        allow_version_labels_for_unavailable_models=given.allow_version_labels_for_unavailable_models,
        max_num_load_retries=given.max_num_load_retries,
        load_retry_interval_micros=given.load_retry_interval_micros,
        num_load_threads=given.num_load_threads,
        num_unload_threads=given.num_unload_threads,
        enable_batching=given.enable_batching,
        batching_parameters_file=given.batching_parameters_file,
        enable_per_model_batching_parameters=given.enable_per_model_batching_parameters,
        engine=given.engine,
        saved_model_tags=tuple(given.saved_model_tags.split(",")),
        tensorflow_intra_op_parallelism=intra or session,
        tensorflow_inter_op_parallelism=inter or session,
        per_process_gpu_memory_fraction=given.per_process_gpu_memory_fraction,
        enable_model_warmup=given.enable_model_warmup,
        num_request_iterations_for_warmup=max(1, given.num_request_iterations_for_warmup),
        enable_serialization_as_tensor_content=given.enable_serialization_as_tensor_content,
        enable_signature_method_name_check=given.enable_signature_method_name_check,
        grpc_channel_arguments=given.grpc_channel_arguments,
        grpc_socket_path=given.grpc_socket_path,
        ssl_config_file=given.ssl_config_file,
        enable_grpc_healthcheck_service=given.enable_grpc_healthcheck_service,
        monitoring_config_file=given.monitoring_config_file,
        rest_api_num_threads=given.rest_api_num_threads,
        without_effect=tuple(
            name for name in sorted({**_SWITCHES_WITHOUT_EFFECT, **_VALUES_WITHOUT_EFFECT}) if name in given
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.embedded",
        description="Serve SavedModels with TensorFlow Serving's REST and gRPC APIs.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"embedded server, API of TensorFlow Serving {API_VERSION}"
    )
    value, switch = parser.add_argument, _switch
    value("--host", default="127.0.0.1", help="address that both ports listen on; containers pass 0.0.0.0")
    value("--port", type=_port, default=8500, help="port of the gRPC API; 0 turns it off")
    value("--rest_api_port", type=_port, default=0, help="port of the REST API; 0 turns it off")
    value("--rest_api_timeout_in_ms", type=int, default=30000, help="longest time for one REST request; 0 is no limit")
    switch(parser, "rest_api_enable_cors_support", default=False, text="answer browsers of other origins")
    value("--model_name", default="default", help="name of the model under --model_base_path")
    value("--model_base_path", default="", help="folder whose numbered subfolders are the versions")
    value("--model_config_file", type=_file, help="ModelServerConfig in text format; replaces name and base path")
    value(
        "--file_system_poll_wait_seconds",
        type=int,
        default=1,
        help="seconds between two scans for new and removed versions; 0 scans once, a negative value never",
    )
    value(
        "--model_config_file_poll_wait_seconds",
        type=int,
        default=0,
        help="seconds between two reads of the model config file; 0 reads it once",
    )
    switch(
        parser,
        "allow_version_labels_for_unavailable_models",
        default=False,
        text="let new version labels name versions that are not loaded, as at the start",
    )
    value("--max_num_load_retries", type=int, default=5, help="retries after a failed load")
    value("--load_retry_interval_micros", type=int, default=60_000_000, help="delay before a retry, in microseconds")
    value("--num_load_threads", type=int, default=0, help="versions that load at a time; 0 is one")
    value(
        "--num_unload_threads",
        type=int,
        default=0,
        help="versions that unload at a time; 0 is one, and if both are 0, one loads or unloads at a time",
    )
    switch(
        parser,
        "enable_batching",
        default=None,
        text="run requests in batches; if not given, only signatures with `lengths`, and if false, none",
    )
    value("--batching_parameters_file", type=_file, help="BatchingParameters in text format, needs --enable_batching")
    switch(
        parser,
        "enable_per_model_batching_parameters",
        default=False,
        text="take them from batching_params.pbtxt in each version's folder instead",
    )
    value(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the models: TensorFlow, or ONNX Runtime in 8-bit integers; auto is TensorFlow where it can be",
    )
    value("--saved_model_tags", default="serve", help="comma-separated tags of the MetaGraph to load")
    value("--tensorflow_session_parallelism", type=int, default=0, help="threads, both within and between operations")
    value("--tensorflow_intra_op_parallelism", type=int, default=0, help="threads within an operation; 0 is one a core")
    value("--tensorflow_inter_op_parallelism", type=int, default=0, help="operations at a time; 0 is one a request")
    value("--per_process_gpu_memory_fraction", type=float, default=0.0, help="share of GPU memory; 0 is as needed")
    switch(parser, "enable_model_warmup", default=True, text="run a version's warmup records before it serves")
    value("--num_request_iterations_for_warmup", type=int, default=0, help="how often each warmup record runs; 0 is 1")
    switch(
        parser, "enable_serialization_as_tensor_content", default=False, text="answer gRPC with raw bytes, not lists"
    )
    value("--grpc_channel_arguments", type=_channel_arguments, default=(), help="key=value,... for the gRPC server")
    value("--grpc_socket_path", default="", help="Unix socket on which gRPC listens, too; --port=0 leaves only this")
    value("--ssl_config_file", type=_file, help="SSLConfig in text format, key and certificate of the gRPC port")
    switch(parser, "use_alts_credentials", default=False, text="rejected: ALTS works only on Google Cloud")
    switch(
        parser,
        "enable_signature_method_name_check",
        default=False,
        text="check the method of signatures",
    )
    switch(parser, "enable_grpc_healthcheck_service", default=False, text="answer grpc.health.v1 on the gRPC port")
    value("--monitoring_config_file", type=_file, help="MonitoringConfig in text format, turns on Prometheus's metrics")
    value("--rest_api_num_threads", type=int, default=0, help="threads that convert large JSON bodies; 0 is 4 a core")
    idle = parser.add_argument_group("accepted without effect, for command lines written for TensorFlow Serving")
    for name, reason in _SWITCHES_WITHOUT_EFFECT.items():
        idle.add_argument(
            f"--{name}", nargs="?", const=True, type=_boolean, default=argparse.SUPPRESS, metavar="BOOL", help=reason
        )
    for name, reason in _VALUES_WITHOUT_EFFECT.items():
        idle.add_argument(f"--{name}", default=argparse.SUPPRESS, metavar="VALUE", help=reason)
    return parser


def _switch(parser: argparse.ArgumentParser, name: str, *, default: bool | None, text: str) -> None:
    parser.add_argument(f"--{name}", nargs="?", const=True, type=_boolean, default=default, metavar="BOOL", help=text)


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        msg = f"{text!r} is neither true nor false"
        raise argparse.ArgumentTypeError(msg)
    return values[text.lower()]


def _file(text: str) -> Path | None:
    return Path(text) if text else None  # scripts pass unset variables as empty strings


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        msg = f"{text!r} is not a port number between 0 and 65535"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    pairs = [pair.split("=", 1) for pair in text.split(",") if pair]
    if any(len(pair) != 2 for pair in pairs):
        msg = f"{text!r} is not a list of key=value pairs"
        raise argparse.ArgumentTypeError(msg)
    return tuple((key, int(value) if value.lstrip("-").isdigit() else value) for key, value in pairs)
