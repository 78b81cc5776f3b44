"""Test warmup records of every kind and invalid files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from bert_mlm_client.wire import messages
from tensorflow_serving.apis import prediction_log_pb2

from deploy.embedded.engines import Array, declared_types
from deploy.embedded.errors import Code, ServingError
from deploy.embedded.lifecycle.tfrecord import read_records
from deploy.embedded.lifecycle.warmup import WARMUP_FILE, warm_up
from tests.support.engines import FakeEngine

INFO = messages.TensorInfo


class Recorder(FakeEngine):
    """An engine that records its runs."""

    signatures: Mapping[str, messages.SignatureDef] = {
        "serving_default": messages.SignatureDef(
            inputs={"x": INFO(name="x:0", dtype=messages.DT_FLOAT)},
            outputs={"y": INFO(name="y:0", dtype=messages.DT_FLOAT)},
        ),
        "regress": messages.SignatureDef(
            inputs={"inputs": INFO(name="example:0", dtype=messages.DT_STRING)},
            outputs={"outputs": INFO(name="y:0", dtype=messages.DT_FLOAT)},
        ),
        "classify": messages.SignatureDef(
            inputs={"inputs": INFO(name="example:0", dtype=messages.DT_STRING)},
            outputs={"scores": INFO(name="y:0", dtype=messages.DT_FLOAT)},
        ),
    }
    input_types = declared_types(signatures)

    def __init__(self) -> None:
        self.ran: list[tuple[str, list[Any], tuple[str, ...]]] = []

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        (array,) = inputs.values()
        self.ran.append((signature, array.tolist(), tuple(outputs)))
        return {name: np.zeros((len(array), 1), np.float32) for name in outputs}


def log(kind: str, signature: str = "") -> Any:
    """Return the official record of a request for a signature."""
    record = prediction_log_pb2.PredictionLog()
    record.log_metadata.model_spec.name = "ignored"
    request = getattr(record, f"{kind}_log").request
    if kind == "predict":
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0]))
    elif kind != "session_run":
        request.input.example_list.examples.add()
    if kind == "multi_inference":
        for method in ("regress", "classify"):
            task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
            task.model_spec.name, task.model_spec.signature_name = "ignored", method
    else:
        request.model_spec.name, request.model_spec.signature_name = "ignored", signature
    return record


def write(folder: Path, *records: bytes) -> Path:
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_records_of_every_kind_run_as_often_as_asked(tmp_path: Path) -> None:
    logs = log("predict"), log("regress", "regress"), log("classify", "classify"), log("multi_inference")
    write(tmp_path, *(record.SerializeToString() for record in logs), b"")
    engine = Recorder()
    assert warm_up(engine, tmp_path, 2) == 5
    one = [("serving_default", [2.0], ("y",))], [("regress", [b""], ("outputs",))], [("classify", [b""], ("scores",))]
    both = one[1] + one[2]
    assert engine.ran == one[0] * 2 + one[1] * 2 + one[2] * 2 + both * 2


def test_a_version_without_a_file_needs_none(tmp_path: Path) -> None:
    assert warm_up(Recorder(), tmp_path, 1) == 0


def streamed() -> Any:
    record = prediction_log_pb2.PredictionLog()
    record.predict_streamed_log.request.add()
    return record


@pytest.mark.parametrize(
    ("record", "code", "text"),
    [
        (lambda: log("session_run"), Code.UNIMPLEMENTED, "Unsupported log_type for warmup: 5"),
        (streamed, Code.UNIMPLEMENTED, "Unsupported log_type for warmup: 7"),
        (lambda: log("predict", "none"), Code.FAILED_PRECONDITION, 'Serving signature key "none" not found.'),
        (lambda: log("regress", "none"), Code.INVALID_ARGUMENT, "No signature was found with the name: none"),
        (lambda: log("classify", "regress"), Code.INVALID_ARGUMENT, "Expected classification signature outputs"),
    ],
)
def test_a_record_that_cannot_run_fails_the_load(
    tmp_path: Path, record: Callable[[], Any], code: Code, text: str
) -> None:
    path = write(tmp_path, log("predict").SerializeToString(), record().SerializeToString())
    with pytest.raises(ServingError) as caught:
        warm_up(Recorder(), tmp_path, 1)
    assert caught.value.code is code
    assert caught.value.message.startswith(f"Warmup record 2 of {path} failed: {text}")


def test_what_is_no_log_fails_the_load(tmp_path: Path) -> None:
    write(tmp_path, b"no log")
    with pytest.raises(ServingError, match="Failed to parse warmup record: number 1 from"):
        warm_up(Recorder(), tmp_path, 1)


def test_a_thousand_records_are_enough(tmp_path: Path) -> None:
    record = log("predict").SerializeToString()
    write(tmp_path, *[record] * 1001)
    with pytest.raises(ServingError, match=r"Number of warmup records exceeds the maximum \(1000\)"):
        warm_up(Recorder(), tmp_path, 1)


def test_records_are_those_that_tensorflow_wrote(tmp_path: Path) -> None:
    records = [b"", b"a", bytes(range(256)) * 40]
    assert list(read_records(write(tmp_path, *records).read_bytes())) == records


@pytest.mark.parametrize("position", [2, 9, 14, 18, 23, 34])
def test_a_flipped_bit_is_found_where_tensorflow_finds_it(tmp_path: Path, position: int) -> None:
    path = write(tmp_path, b"hello", b"world")
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError) as official:
        list(tf.data.TFRecordDataset(str(path)))
    with pytest.raises(ServingError) as ours:
        list(read_records(bytes(data)))
    assert ours.value.code is Code.DATA_LOSS
    assert ours.value.message in official.value.message


def test_a_file_of_another_format_fails_the_load_with_advice(tmp_path: Path) -> None:
    write(tmp_path).write_bytes(b"x" * 100)
    with pytest.raises(ServingError, match="Please verify your warmup data is in TFRecord format") as caught:
        warm_up(Recorder(), tmp_path, 1)
    assert caught.value.code is Code.DATA_LOSS


@pytest.mark.parametrize("length", [5, 12, 14, 20, 30, 41])
def test_a_file_that_ends_early_is_found(tmp_path: Path, length: int) -> None:
    path = write(tmp_path, b"hello", b"world")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ServingError, match=r"truncated record at (0|21)"):
        list(read_records(path.read_bytes()))
