"""Test command lines and configuration files."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from deploy.embedded.errors import ServingError, StartError
from deploy.embedded.flags import parse
from deploy.embedded.lifecycle.config import All, Latest, Model, Specific, listed_models, models, read_models
from deploy.embedded.proto.config_pb2 import ModelServerConfig

# tensorflow_model_server 2.20 --help
ALL_FLAGS = [
    "port",
    "rest_api_port",
    "grpc_socket_path",
    "rest_api_num_threads",
    "rest_api_timeout_in_ms",
    "rest_api_enable_cors_support",
    "model_name",
    "model_base_path",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "file_system_poll_wait_seconds",
    "enable_batching",
    "batching_parameters_file",
    "enable_per_model_batching_parameters",
    "allow_version_labels_for_unavailable_models",
    "num_load_threads",
    "num_unload_threads",
    "max_num_load_retries",
    "load_retry_interval_micros",
    "flush_filesystem_caches",
    "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "tensorflow_session_config_file",
    "grpc_channel_arguments",
    "grpc_max_threads",
    "ssl_config_file",
    "use_alts_credentials",
    "enable_model_warmup",
    "num_request_iterations_for_warmup",
    "monitoring_config_file",
    "saved_model_tags",
    "enable_signature_method_name_check",
    "prefer_tflite_model",
    "num_tflite_pools",
    "num_tflite_interpreters_per_pool",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
    "mixed_precision",
    "enable_profiler",
    "thread_pool_factory_config_file",
    "platform_config_file",
    "per_process_gpu_memory_fraction",
    "remove_unused_fields_from_bundle_metagraph",
    "skip_initialize_tpu",
    "version",
    "enable_grpc_healthcheck_service",
    "enable_serialization_as_tensor_content",
]


def test_encryption_that_is_not_there_is_not_passed_over_in_silence() -> None:
    with pytest.raises(StartError, match="--use_alts_credentials works only on Google Cloud"):
        parse(["--use_alts_credentials=1"])


def test_every_flag_of_tensorflow_serving_is_known() -> None:
    assert len(ALL_FLAGS) == 48
    separate = {"rest_api_port": "1", "tensorflow_session_parallelism": "0", "grpc_channel_arguments": "a=1"}
    for name in set(ALL_FLAGS) - {"version", "use_alts_credentials"}:
        assert parse([f"--{name}={separate.get(name, '1')}", "--enable_batching"])


def test_help_says_of_every_flag_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for name in ALL_FLAGS:
        assert f"--{name} " in printed
    assert "accepted without effect" in printed


def test_defaults_are_tensorflow_servings() -> None:
    settings = parse([])
    assert (settings.host, settings.port, settings.rest_api_port) == ("127.0.0.1", 8500, 0)
    assert (settings.model_name, settings.rest_api_timeout_in_ms) == ("default", 30000)
    assert (settings.file_system_poll_wait_seconds, settings.saved_model_tags) == (1, ("serve",))
    assert (settings.model_config_file_poll_wait_seconds, settings.num_load_threads, settings.num_unload_threads) == (
        0,
        0,
        0,
    )
    assert (settings.max_num_load_retries, settings.load_retry_interval_micros) == (5, 60_000_000)
    assert settings.allow_version_labels_for_unavailable_models is False
    assert (settings.enable_model_warmup, settings.enable_serialization_as_tensor_content) == (True, False)
    assert settings.without_effect == ()


@pytest.mark.parametrize("written", [["--port=1234"], ["--port", "1234"]])
def test_values_follow_a_sign_or_a_space(written: list[str]) -> None:
    assert parse(written).port == 1234


@pytest.mark.parametrize(
    "name", ["model_config_file", "batching_parameters_file", "ssl_config_file", "monitoring_config_file"]
)
def test_an_empty_file_name_is_none(name: str) -> None:
    assert getattr(parse([f"--{name}="]), name) is None


@pytest.mark.parametrize(
    ("written", "value"),
    [("--enable_model_warmup", True), ("--enable_model_warmup=true", True), ("--enable_model_warmup=false", False)],
)
def test_booleans_may_stand_alone(written: str, value: bool) -> None:
    assert parse([written]).enable_model_warmup is value


def test_session_parallelism_sets_both_kinds_of_threads() -> None:
    settings = parse(["--tensorflow_session_parallelism=3"])
    assert (settings.tensorflow_intra_op_parallelism, settings.tensorflow_inter_op_parallelism) == (3, 3)


def test_channel_arguments_are_numbers_where_they_can_be() -> None:
    settings = parse(["--grpc_channel_arguments=grpc.max_connection_age_ms=100,grpc.primary_user_agent=x"])
    assert settings.grpc_channel_arguments == (("grpc.max_connection_age_ms", 100), ("grpc.primary_user_agent", "x"))


@pytest.mark.parametrize("written", ["--enable_model_warmup=maybe", "--port=65536", "--port=x", "--nope", "--por=1"])
def test_unreadable_and_unknown_flags_end_with_status_2(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([written])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "written",
    [
        ["--batching_parameters_file=f"],
        ["--rest_api_port=8500"],
        [f"--tensorflow_{kind}_parallelism=1" for kind in ("session", "intra_op", "inter_op")],
    ],
)
def test_contradictions_stop_the_start(written: list[str]) -> None:
    with pytest.raises(StartError):
        parse(written)


def test_one_model_comes_from_its_name_and_path(tmp_path: Path) -> None:
    settings = parse(["--model_name=m", f"--model_base_path={tmp_path}"])
    assert models(settings) == (Model("m", tmp_path),)


def test_a_relative_base_path_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert models(parse(["--model_base_path=models/m"])) == (Model("default", tmp_path / "models" / "m"),)


def test_a_config_file_lists_models_with_their_policies_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("""
        model_config_list {
          config { name: "a" base_path: "/models/a" model_platform: "tensorflow" }
          config {
            name: "b" base_path: "file:///models/b" model_type: TENSORFLOW
            model_version_policy { specific { versions: 1 versions: 2 } }
            version_labels { key: "stable" value: 1 }
            version_labels { key: "canary" value: 2 }
          }
          config {
            name: "c" base_path: "/models/c" model_platform: "tensorflow"
            model_version_policy { latest { num_versions: 2 } }
          }
          config {
            name: "d" base_path: "/models/d" model_platform: "tensorflow"
            model_version_policy { all {} }
            logging_config {
              log_collector_config { type: "file" filename_prefix: "/logs/d" } sampling_config { sampling_rate: 0.1 }
            }
          }
        }""")
    assert read_models(path) == (
        Model("a", Path("/models/a"), Latest(1), {}, logs_requests=False),
        Model("b", Path("/models/b"), Specific(frozenset({1, 2})), {"stable": 1, "canary": 2}),
        Model("c", Path("/models/c"), Latest(2)),
        Model("d", Path("/models/d"), All(), logs_requests=True),
    )


@pytest.mark.parametrize("text", ["", "model_config_list {}"])
def test_a_config_file_may_list_no_model(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)
    assert read_models(path) == ()


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (
            'config { name: "a" base_path: "/a" model_platform: "tensorflow" } ' * 2,
            "INVALID_ARGUMENT: Illegal to list model a multiple times in config list",
        ),
        (
            'config { name: "a" base_path: "a" model_platform: "tensorflow" }',
            "INVALID_ARGUMENT: Expected model a to have an absolute path or URI; got base_path()=a",
        ),
        (
            'config { name: "a" base_path: "/a" }',
            "INVALID_ARGUMENT: Illegal setting neither ModelServerConfig::model_type (deprecated) nor",
        ),
        (
            'config { name: "a" base_path: "/a" model_platform: "tensorflow" model_type: TENSORFLOW }',
            "INVALID_ARGUMENT: Illegal setting both ModelServerConfig::model_type (deprecated) and",
        ),
        (
            'config { name: "a" base_path: "/a" model_type: OTHER }',
            "INVALID_ARGUMENT: ModelServerConfig::model_type choice 2 not supported.",
        ),
        (
            'config { name: "a" base_path: "/a" model_platform: "other" }',
            "INVALID_ARGUMENT: Model a requests unsupported platform other",
        ),
        (
            'config { base_path: "/a" model_platform: "tensorflow" }',
            "INVALID_ARGUMENT: The model in /a has no name; give it one.",
        ),
        ("config { nmae: 1 }", "Invalid protobuf file"),
    ],
)
def test_impossible_config_files_are_explained(tmp_path: Path, entries: str, sentence: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(f"model_config_list {{ {entries} }}")
    with pytest.raises(StartError) as refused:
        read_models(path)
    assert str(refused.value).startswith(sentence)


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="/none cannot be read: "):
        read_models(tmp_path / "none")


def test_a_custom_model_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("custom_model_config {}")
    with pytest.raises(StartError, match=r"^FAILED_PRECONDITION: Cannot transition to requested config"):
        read_models(path)


def test_the_platform_of_a_served_model_cannot_change() -> None:
    config = ModelServerConfig()
    config.model_config_list.config.add(name="a", base_path="/a", model_platform="other")
    with pytest.raises(ServingError) as refused:
        listed_models(config, served=["a"])
    assert refused.value.message == (
        "Illegal to change a model's platform. For model a platform was tensorflow and new platform requested is other"
    )


@pytest.mark.filterwarnings("ignore")  # TensorFlow's, which the official messages import
def test_configurations_are_the_same_bytes_as_the_official_ones() -> None:
    from tensorflow_serving.config import model_server_config_pb2

    official = model_server_config_pb2.ModelServerConfig()
    entry = official.model_config_list.config.add(name="a", base_path="/a", model_platform="tensorflow")
    entry.model_version_policy.specific.versions.extend([1, 2])
    entry.version_labels["stable"] = 1
    entry.logging_config.sampling_config.sampling_rate = 0.5
    ours = ModelServerConfig.FromString(official.SerializeToString())
    assert text_format.MessageToString(ours) == text_format.MessageToString(official)
