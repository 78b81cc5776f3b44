"""Write typical SavedModels of TensorFlow 1 and 2."""

from pathlib import Path
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
PREDICT = "tensorflow/serving/predict"


def save_half_plus_two(folder: Path) -> None:
    """Write y = x / 2 + 2 with a signature of each method, as TensorFlow's own half_plus_two has them, and bad ones."""
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        half = v1.get_variable("half", initializer=0.5, use_resource=True)
        examples = v1.placeholder(tf.string, [None], "tf_example")
        parsed = v1.io.parse_example(
            examples,
            {
                "x": v1.io.FixedLenFeature([1], tf.float32),
                "x2": v1.io.FixedLenFeature([1], tf.float32, [0.0]),
                "word": v1.io.FixedLenFeature([1], tf.string, ["none"]),
                "age": v1.io.FixedLenFeature([1], tf.int64, [0]),
            },
        )
        x, x2 = tf.identity(parsed["x"], "x"), tf.identity(parsed["x2"], "x2")
        y, y2, y3 = half * x + 2.0, half * x + 3.0, half * x2 + 3.0
        ages = tf.cast(parsed["age"], tf.float32)
        session.run(v1.global_variables_initializer())
        signatures = {
            "serving_default": _signature({"x": x}, {"y": y}, PREDICT),
            "regress_x_to_y": _signature({"inputs": examples}, {"outputs": y}, REGRESS),
            "regress_x_to_y2": _signature({"inputs": examples}, {"outputs": y2}, REGRESS),
            "regress_x2_to_y3": _signature({"inputs": x2}, {"outputs": y3}, REGRESS),
            "regress_age": _signature({"inputs": examples}, {"outputs": ages}, REGRESS),
            "regress_flat": _signature({"inputs": examples}, {"outputs": tf.reshape(y, [-1])}, REGRESS),
            "classify_x_to_y": _signature({"inputs": examples}, {"scores": y}, CLASSIFY),
            "classify_x2_to_y3": _signature({"inputs": x2}, {"scores": y3}, CLASSIFY),
            "classify_word": _signature({"inputs": examples}, {"classes": parsed["word"]}, CLASSIFY),
            "classify_both": _signature({"inputs": examples}, {"classes": parsed["word"], "scores": y}, CLASSIFY),
            # signatures that the server must reject
            "two_inputs": _signature({"inputs": examples, "x": x}, {"outputs": y}, REGRESS),
            "three_outputs": _signature({"inputs": examples}, {"outputs": y, "scores": y2, "b": y}, CLASSIFY),
            "other_input": _signature({"x": examples}, {"outputs": y}, REGRESS),
            "other_output": _signature({"inputs": examples}, {"y": y}, REGRESS),
            "wide": _signature({"inputs": examples}, {"outputs": tf.concat([y, y], 1)}, REGRESS),
            "short": _signature({"inputs": examples}, {"outputs": y[:1]}, REGRESS),
            "whole": _signature({"inputs": examples}, {"outputs": tf.cast(y, tf.int32)}, REGRESS),
            "flat_scores": _signature({"inputs": examples}, {"scores": tf.reshape(y, [-1])}, CLASSIFY),
            "short_scores": _signature({"inputs": examples}, {"scores": y[:1]}, CLASSIFY),
            "double_scores": _signature({"inputs": examples}, {"scores": tf.cast(y, tf.float64)}, CLASSIFY),
            "number_classes": _signature({"inputs": examples}, {"classes": y}, CLASSIFY),
            "uneven": _signature(
                {"inputs": examples}, {"classes": parsed["word"], "scores": tf.concat([y, y], 1)}, CLASSIFY
            ),
        }
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def save_half_plus_three(folder: Path) -> None:
    """Write y = x / 2 + 3 with a signature that declares strings as floats, like saved_model_half_plus_three."""
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], "tf_example")
        x = v1.io.parse_example(examples, {"x": v1.io.FixedLenFeature([1], tf.float32)})["x"]
        signature = _signature({"inputs": examples}, {"outputs": x * 0.5 + 3.0}, REGRESS)
        signature.inputs["inputs"].dtype = tf.float32.as_datatype_enum
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={REGRESS: signature})
        builder.save()


def save_with_tensorflow_2(folder: Path) -> None:
    """Write a tf.Module whose signatures, like all of TensorFlow 2, are for Predict."""

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.half = tf.Variable(0.5)

        def apply(self, examples: Any) -> Any:
            parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})
            return self.half * parsed["x"] + 2.0

        def classify(self, inputs: Any) -> dict[str, Any]:
            y = self.apply(inputs)
            labels = tf.tile([["low", "high"]], [tf.shape(y)[0], 1])
            return {"classes": labels, "scores": tf.concat([y, -y], 1)}

        def regress(self, inputs: Any) -> dict[str, Any]:
            return {"outputs": self.apply(inputs)}

    model = Model()
    specs = [tf.TensorSpec([None], tf.string, "inputs")]
    signatures = {
        "serving_default": tf.function(model.classify, input_signature=specs),
        "regress": tf.function(model.regress, input_signature=specs),
    }
    tf.saved_model.save(model, str(folder), signatures)


def _signature(inputs: dict[str, Any], outputs: dict[str, Any], method: str) -> Any:
    definition = v1.saved_model.signature_def_utils.predict_signature_def(inputs, outputs)
    definition.method_name = method
    return definition
