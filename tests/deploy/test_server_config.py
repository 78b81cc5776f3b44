"""Test the files in models/ that TensorFlow Serving reads."""

import re
from pathlib import Path

import pytest
from bert_mlm_client.exchanges import MAX_ROWS
from google.protobuf import text_format

from deploy.embedded.lifecycle.config import Model, read_models
from deploy.embedded.proto.config_pb2 import BatchingParameters, ModelServerConfig, MonitoringConfig

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"


def test_models_config_serves_the_folder_that_the_export_writes() -> None:
    assert read_models(MODELS / "models.config") == (Model("bert_mlm", Path("/models/bert_mlm")),)


def test_the_default_names_no_classifier_because_a_missing_folder_stops_the_start() -> None:
    plain, both = (read_models(MODELS / name) for name in ("models.config", "models-with-genre.config"))
    assert both == (*plain, Model("genre", Path("/models/genre")))


@pytest.mark.filterwarnings("ignore")  # TensorFlow's, which the official messages import
@pytest.mark.parametrize(
    ("name", "models"), [("models.config", ["bert_mlm"]), ("models-with-genre.config", ["bert_mlm", "genre"])]
)
def test_models_config_parses_with_the_official_messages(name: str, models: list[str]) -> None:
    official = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2", reason="tensorflow-serving-api is not installed"
    )
    config = official.ModelServerConfig()
    text_format.Parse((MODELS / name).read_text("utf-8"), config)
    assert [model.name for model in config.model_config_list.config] == models


def test_a_batch_takes_the_largest_request_of_the_client() -> None:
    parameters = text_format.Parse((MODELS / "batching.config").read_text("utf-8"), BatchingParameters())
    assert parameters.max_batch_size.value >= MAX_ROWS


def test_sentences_of_different_length_share_a_batch() -> None:
    parameters = text_format.Parse((MODELS / "batching.config").read_text("utf-8"), BatchingParameters())
    assert parameters.pad_variable_length_inputs


def test_no_request_is_split_because_its_parts_could_come_back_in_different_shapes() -> None:
    parameters = text_format.Parse((MODELS / "batching.config").read_text("utf-8"), BatchingParameters())
    assert not parameters.enable_large_batch_splitting.value


def test_metrics_are_where_prometheus_looks_for_them() -> None:
    monitoring = text_format.Parse((MODELS / "monitoring.config").read_text("utf-8"), MonitoringConfig())
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_the_example_of_two_versions_in_the_readme_parses() -> None:
    readme = (ROOT / "deploy/serving/README.md").read_text("utf-8")
    (example,) = re.findall(r"```textproto\n(.*?)```", readme, re.DOTALL)
    (model,) = text_format.Parse(example, ModelServerConfig()).model_config_list.config
    assert set(model.version_labels.values()) == set(model.model_version_policy.specific.versions)
