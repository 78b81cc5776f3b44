"""Test the load, the errors and the close of the TensorFlow engine."""

import gc
import os
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import inference_pb2, prediction_service_pb2_grpc

from deploy.embedded.engines.tensorflow import TensorFlowEngine
from deploy.embedded.errors import Code, ServingError
from tests.deploy.embedded.half_plus_two import REGRESS
from tests.support.environment import environment

v1 = tf.compat.v1


def save_counter(folder: Path) -> None:
    """Write two signatures that regress to the number of runs so far, the second one from 100 up."""
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], "examples")
        runs = v1.get_variable("runs", initializer=0.0, use_resource=True).assign_add(1.0)
        numbers = tf.fill([tf.size(examples), 1], runs)
        signatures = {}
        for name, outputs in {"first": numbers, "second": numbers + 100.0}.items():
            signatures[name] = v1.saved_model.signature_def_utils.predict_signature_def(
                {"inputs": examples}, {"outputs": outputs}
            )
            signatures[name].method_name = REGRESS
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def run_half(engine: TensorFlowEngine) -> list[Any]:
    outputs = engine.run("serving_default", {"x": np.array([[1.0], [2.0]], np.float32)}, ["y"])
    values: list[Any] = outputs["y"].tolist()
    return values


def test_all_tasks_of_a_multi_inference_are_one_run(start: Callable[..., Any], tmp_path: Path) -> None:
    save_counter(tmp_path / "counter" / "1")
    server = start("--model_name=counter", f"--model_base_path={tmp_path / 'counter'}")
    server.wait_for("counter")
    request = inference_pb2.MultiInferenceRequest()
    request.input.example_list.examples.add()
    for signature in ("second", "first"):
        task = request.tasks.add(method_name=REGRESS)
        task.model_spec.name, task.model_spec.signature_name = "counter", signature
    with server.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for run in (1.0, 2.0, 3.0):
            results = stub.MultiInference(request, timeout=10).results
            assert [result.regression_result.regressions[0].value for result in results] == [100 + run, run]


LOADS = """
import contextlib, threading
from deploy.embedded.engines import tensorflow as engine

@contextlib.contextmanager
def silent():
    print("silent")
    yield

engine._silent_stderr = silent
threads = [threading.Thread(target=engine._tensorflow) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_loads_side_by_side_close_the_log_only_once(tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(0.2)\nimport logging\nget_logger = logging.getLogger\n"
    (tmp_path / "tensorflow.py").write_text(slow)  # slow enough that all three threads meet in the import
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        env={**environment(), "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "silent\n"


def without_graph(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"\xff" * 100)


def without_text_graph(folder: Path) -> None:
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pbtxt").write_text("meta_graphs {")


def without_index(folder: Path) -> None:
    (folder / "variables" / "variables.index").unlink()


def without_data(folder: Path) -> None:
    (folder / "variables" / "variables.data-00000-of-00001").unlink()


def with_a_broken_index(folder: Path) -> None:
    index = folder / "variables" / "variables.index"
    index.write_bytes(b"\xff" * index.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "code", "text"),
    [
        (without_graph, Code.DATA_LOSS, r"Can't parse .*/1/saved_model\.pb as binary proto"),
        (without_text_graph, Code.DATA_LOSS, r"Can't parse .*/1/saved_model\.pbtxt as text proto"),
        (without_index, Code.NOT_FOUND, r"Could not find the values of the variables: .*/variables/variables\.index"),
        (without_data, Code.NOT_FOUND, r"variables\.data-00000-of-00001; No such file or directory"),
        (with_a_broken_index, Code.DATA_LOSS, r"not an sstable|bad magic number|Unable to"),
    ],
)
def test_a_damaged_version_is_refused_with_a_code(
    models: Path, tmp_path: Path, damage: Callable[[Path], None], code: Code, text: str
) -> None:
    folder = shutil.copytree(models / "half" / "1", tmp_path / "1")
    damage(folder)
    with pytest.raises((ServingError, tf.errors.OpError)) as caught:
        TensorFlowEngine(folder)
    error: Any = caught.value
    assert re.search(text, error.message)
    assert Code(getattr(error, "code", None) or error.error_code) is code


def test_tags_that_no_graph_has_are_told_in_upstreams_words(models: Path) -> None:
    with pytest.raises(ServingError) as caught:
        TensorFlowEngine(models / "half" / "1", tags=["serve", "gpu"])
    assert caught.value.code is Code.NOT_FOUND
    assert caught.value.message == (
        "Could not find meta graph def matching supplied tags: { serve gpu }. To inspect available tag-sets in the "
        "SavedModel, please use the SavedModel CLI: `saved_model_cli`"
    )


@pytest.mark.parametrize("inter_op_threads", [0, 2])
def test_a_run_needs_no_pool_but_may_have_one(models: Path, inter_op_threads: int) -> None:
    engine = TensorFlowEngine(models / "half" / "1", inter_op_threads=inter_op_threads)
    assert run_half(engine) == [[2.5], [3.0]]


def test_nothing_is_left_of_closed_engines(models: Path) -> None:
    graphs = []
    for _ in range(10):
        engine = TensorFlowEngine(models / "half" / "1")
        graphs.append(weakref.ref(engine._session.graph))
        assert run_half(engine) == [[2.5], [3.0]]
        engine.close()
        del engine
    gc.collect()
    assert [graph() for graph in graphs] == [None] * 10
