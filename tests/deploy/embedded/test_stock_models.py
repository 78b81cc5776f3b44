"""Test typical SavedModels of TensorFlow 1 and 2 in a server process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

v1 = tf.compat.v1


def function(work: Callable[..., Any], *specs: Any) -> Any:
    return tf.function(work, input_signature=specs)


class Words(tf.Module):
    """Looks words up in a table that an asset file fills."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    def find(self, words: Any) -> dict[str, Any]:
        return {"number": self.table.lookup(words), "word_bytes": words}

    def signatures(self) -> dict[str, Any]:
        return {"serving_default": function(self.find, tf.TensorSpec([None], tf.string, "words"))}


class Counter(tf.Module):
    """A model with state, whose signatures have scalar inputs or none."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(0.0)

    def get(self) -> dict[str, Any]:
        return {"output": self.count.read_value()}

    def add(self, delta: Any) -> dict[str, Any]:
        return {"output": self.count.assign_add(delta)}

    def signatures(self) -> dict[str, Any]:
        return {"get": function(self.get), "add": function(self.add, tf.TensorSpec([], tf.float32, "delta"))}


class Shapes(tf.Module):
    """Several inputs, one of them a scalar, and outputs of uneven lengths."""

    def look(self, image: Any, name: Any, flip: Any) -> dict[str, Any]:
        return {"image": tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image), "id": name}

    def split(self, text: Any) -> dict[str, Any]:
        parts = tf.strings.split(text)
        return {"values": parts.values, "row_splits": parts.row_splits}

    def signatures(self) -> dict[str, Any]:
        specs = (
            tf.TensorSpec([None, None, 3], tf.float32, "image"),
            tf.TensorSpec([None], tf.string, "id"),
            tf.TensorSpec([], tf.bool, "flip"),
        )
        return {
            "serving_default": function(self.look, *specs),
            "split": function(self.split, tf.TensorSpec([None], tf.string, "text")),
        }


class Types(tf.Module):
    """A signature for each type that a tensor may have."""

    KINDS = ("bfloat16", "complex64", "complex128", "float16", "uint8", "uint16", "uint32", "uint64", "int8", "int16")

    def signatures(self) -> dict[str, Any]:
        return {
            kind: function(lambda x: {"y": tf.identity(x)}, tf.TensorSpec([None], tf.dtypes.as_dtype(kind), "x"))
            for kind in self.KINDS
        }


def save_with_defaults(folder: Path) -> None:
    """Write a signature of TensorFlow 1 that has a default for one of its inputs."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        scale = v1.placeholder(tf.float32, [], "scale")
        signature = v1.saved_model.signature_def_utils.predict_signature_def({"x": x, "scale": scale}, {"y": x * scale})
        signature.defaults["scale"].CopyFrom(tf.make_tensor_proto(3.0))
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={"serving_default": signature})
        builder.save()


def save_with_a_table(folder: Path) -> None:
    """Write a graph of TensorFlow 1 with a table in it and an operation that fills it at the load."""
    with tf.Graph().as_default(), v1.Session() as session:
        words = v1.placeholder(tf.string, [None], "words")
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2])), 0)
        signature = v1.saved_model.signature_def_utils.predict_signature_def(
            {"words": words}, {"number": table.lookup(words)}
        )
        session.run(v1.tables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={"serving_default": signature},
            main_op=v1.tables_initializer(),
        )
        builder.save()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Any]) -> Iterator[Any]:
    base = tmp_path_factory.mktemp("stock")
    vocabulary = base / "vocabulary.txt"
    vocabulary.write_text("天\nsky\n", encoding="utf-8")
    models: dict[str, Any] = {"words": Words(vocabulary), "counter": Counter(), "shapes": Shapes(), "types": Types()}
    for name, model in models.items():
        tf.saved_model.save(model, str(base / name / "1"), model.signatures())
    vocabulary.unlink()  # the export has a copy
    save_with_defaults(base / "defaults" / "1")
    save_with_a_table(base / "table" / "1")
    config = base / "models.config"
    entries = "\n".join(
        f'config {{ name: "{name}" base_path: "{base / name}" model_platform: "tensorflow" }}'
        for name in (*models, "defaults", "table")
    )
    config.write_text(f"model_config_list {{\n{entries}\n}}\n")
    with serve(f"--model_config_file={config}") as running:
        running.wait_for("table")
        yield running


@pytest.fixture
def predict(server: Any) -> Iterator[Callable[..., dict[str, Any]]]:
    """Ask over gRPC, with arrays in and arrays out."""
    with server.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(model: str, signature: str = "", **inputs: Any) -> dict[str, Any]:
            message = predict_pb2.PredictRequest()
            message.model_spec.name, message.model_spec.signature_name = model, signature
            for name, value in inputs.items():
                message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            answer = stub.Predict(message, timeout=10)
            return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}

        yield ask


def test_a_table_from_an_asset_file(server: Any, predict: Any) -> None:
    assert predict("words", words=["sky", "?", "天"])["number"].tolist() == [1, -1, 0]
    assert server.predict("words", {"instances": ["sky", {"b64": "5aSp"}]}).json == {
        "predictions": [
            {"number": 1, "word_bytes": {"b64": "c2t5"}},
            {"number": 0, "word_bytes": {"b64": "5aSp"}},
        ]
    }


def test_a_table_that_the_graph_fills_at_the_load(predict: Any) -> None:
    assert predict("table", words=["b", "c", "a"])["number"].tolist() == [2, 0, 1]


def test_state_lasts_from_call_to_call(server: Any, predict: Any) -> None:
    assert predict("counter", "get")["output"] == 0.0
    assert predict("counter", "add", delta=np.float32(2.5))["output"] == 2.5
    assert server.predict("counter", {"signature_name": "add", "inputs": 1.5}).body == b'{\n    "outputs": 4.0\n}'
    assert predict("counter", "get")["output"] == 4.0


def test_a_signature_without_inputs_has_no_json(server: Any) -> None:
    answer = server.predict("counter", {"signature_name": "get", "inputs": {}})
    assert (answer.status, answer.error) == (400, "Failed to get input map for signature: get")
    answer = server.predict("counter", {"inputs": {}})
    assert (answer.status, answer.error) == (
        400,
        'Serving signature name: "serving_default" not found in signature def',
    )


def test_several_inputs_of_several_ranks(server: Any, predict: Any) -> None:
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    found = predict("shapes", image=image, id=["a"], flip=True)
    np.testing.assert_array_equal(found["image"], image[:, ::-1])
    answer = server.predict("shapes", {"inputs": {"image": image.tolist(), "id": ["a"], "flip": False}})
    assert answer.json == {"outputs": {"image": image.tolist(), "id": ["a"]}}


def test_ragged_outputs_are_columns_and_no_rows(server: Any) -> None:
    document = {"signature_name": "split", "inputs": ["a b c", "", "d"]}
    assert server.predict("shapes", document).json == {
        "outputs": {"values": ["a", "b", "c", "d"], "row_splits": [0, 3, 3, 4]}
    }
    answer = server.predict("shapes", {"signature_name": "split", "instances": ["a b c", "d"]})
    assert answer.status == 400
    assert "has inconsistent batch size" in answer.error


def test_an_input_with_a_default_may_be_left_out(predict: Any) -> None:
    assert predict("defaults", x=[1.0, 2.0])["y"].tolist() == [3.0, 6.0]
    assert predict("defaults", x=[1.0], scale=0.5)["y"].tolist() == [0.5]
    with pytest.raises(grpc.RpcError, match=r"Signature input alias: x\(feed name: x:0\) not found in request"):
        predict("defaults", scale=2.0)
    with pytest.raises(grpc.RpcError, match=r"Inputs contains invalid name\. Used request inputs: x"):
        predict("defaults", x=[1.0], other=2.0)


@pytest.mark.parametrize("kind", Types.KINDS)
def test_every_type_comes_back_as_it_went(predict: Any, kind: str) -> None:
    array = np.array(
        [0, 1, 2.5 if "float" in kind or "complex" in kind else 3], tf.dtypes.as_dtype(kind).as_numpy_dtype
    )
    np.testing.assert_array_equal(predict("types", kind, x=array)["y"], array, strict=True)


@pytest.mark.parametrize("kind", ["complex64", "bfloat16"])
def test_json_has_no_such_numbers(server: Any, kind: str) -> None:
    answer = server.predict("types", {"signature_name": kind, "inputs": [1.0]})
    assert (answer.status, answer.error) == (501, f"Conversion of JSON Value: 1.0 to type: {kind}")
