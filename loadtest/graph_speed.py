"""Compare the SavedModel graphs of two checkouts and ONNX Runtime.

    git worktree add --detach build/old e47a9e1
    python -m loadtest.graph_speed --old build/old
    python -m loadtest.graph_speed --old build/old --without-avx512

All are float32 at bert-base-chinese's size, with the top 100 in the graph, the engine alone, each in a process of its
own. They alternate call by call, in several rounds, so that other load on the machine affects all of them. Each answer
is compared with the old graph's.

``--without-avx512`` approximates a processor such as Zen 3: oneDNN's operations are off, as is TensorFlow's default
there, and Eigen's products are limited to AVX2. ONNX Runtime has no such limit and is left out.
"""

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtest.bench.checkpoint import ensure_checkpoint
from loadtest.bench.machine import instruction_sets, processor

ROOT = Path(__file__).parents[1]
SHAPES = ((1, 16), (8, 16), (16, 16), (1, 128))
TOP_K = 100
TOLERANCE = 1e-4
"""The largest accepted difference of a log-probability."""

LIMITS = {"TF_ENABLE_ONEDNN_OPTS": "0", "ONEDNN_MAX_CPU_ISA": "AVX2"}
_WARM_UP = 2

Array = NDArray[Any]
Call = Callable[[Array], Array]


def export_graph(tree: Path, checkpoint: Path, output: Path) -> Path:
    """Write a checkout's SavedModel if it is missing."""
    if not (output / "saved_model.pb").is_file():
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "client"), str(tree)])}
        command = [sys.executable, str(ROOT / "loadtest" / "graph_export.py"), str(checkpoint), str(output)]
        subprocess.run(command, cwd=tree, env=environment, check=True)  # noqa: S603 - our own words
    return output


def tensorflow_call(folder: Path) -> Call:
    """Return the server's call of a SavedModel's fill_mask."""
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(folder)

    def call(ids: Array) -> Array:
        batch, length = ids.shape
        inputs = {
            "input_ids": ids,
            "lengths": np.full(batch, length, np.int32),
            "mask_positions": np.ones((batch, 1), np.int32),
        }
        return engine.run("fill_mask", inputs, ("scores", "token_ids"))["scores"]

    return call


def onnx_call(checkpoint_folder: Path) -> Call:
    """Return a float32 call of the checkpoint on ONNX Runtime.

    The weights are initializers, which ONNX Runtime packs at load.
    """
    import onnx
    from bert_mlm_client.onnx_runtime import onnxruntime

    from export.checkpoint import load_checkpoint
    from export.onnx.fill_mask import OnnxFillMask
    from export.onnx.graph import Graph
    from export.onnx.products import Float
    from export.onnx.session import feeds

    checkpoint = load_checkpoint(checkpoint_folder)
    graph = Graph()
    products = Float(graph, checkpoint.weights["bert.embeddings.word_embeddings.weight"])
    bert = OnnxFillMask(graph, products, checkpoint, TOP_K)
    outputs = bert.outputs()
    for name in ("scores", "token_ids"):
        graph.name(outputs[name], name)
    model = graph.model(bert.inputs, {name: bert.types[name] for name in ("scores", "token_ids")})
    inputs = [value for value in model.graph.input if value.name not in graph.parameters]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in graph.parameters.items()
    )
    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.force_spinning_stop", "1")  # leave the cores to the next engine
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])

    def call(ids: Array) -> Array:
        positions = np.ones((len(ids), 1), np.int32)
        scores: Array = session.run(["scores", "token_ids"], feeds(ids, positions))[0]
        return scores

    return call


class Engine:
    """An engine in a process of its own.

    In one process, the engines would compete for huge pages, and memory could not be told apart.
    """

    def __init__(self, make_call: Callable[[Path], Call], folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        context.Process(target=_answer, args=(other, make_call, folder), daemon=True).start()
        other.close()
        self.load_s: float = self._pipe.recv()

    def call(self, ids: Array) -> tuple[Array, float]:
        """Return the scores and the time in ms."""
        self._pipe.send(ids)
        answer: tuple[Array, float] = self._pipe.recv()
        return answer

    def close(self) -> float:
        """End the process and return its peak memory in MB."""
        self._pipe.send(None)
        peak: float = self._pipe.recv()
        return peak


def _answer(pipe: Connection, make_call: Callable[[Path], Call], folder: Path) -> None:
    begun = time.perf_counter()
    call = make_call(folder)
    pipe.send(time.perf_counter() - begun)
    while (ids := pipe.recv()) is not None:
        begun = time.perf_counter()
        scores = call(ids)
        pipe.send((scores, (time.perf_counter() - begun) * 1000))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def time_engines(engines: dict[str, Engine], ids: Array, seconds: float) -> dict[str, float]:
    """Return each engine's p50 in ms, alternating call by call."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    reference = None
    for engine in engines.values():
        for _ in range(_WARM_UP):
            scores = np.log(engine.call(ids)[0])
        reference = scores if reference is None else reference
        if (difference := float(np.abs(scores - reference).max())) > TOLERANCE:
            msg = f"the answers differ by {difference:.1e} in log-probability, more than {TOLERANCE}"
            raise SystemExit(msg)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, engine in engines.items():
            times[name].append(engine.call(ids)[1])
    return {name: float(np.median(taken)) for name, taken in times.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the SavedModel graphs of two checkouts and ONNX Runtime."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.graph_speed", description=main.__doc__)
    parser.add_argument("--old", type=Path, required=True, help="the checkout to compare with")
    parser.add_argument("--work", type=Path, default=Path("build/graph_speed"), help="where checkpoint and graphs go")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each shape in each round (default 4)")
    parser.add_argument("--without-avx512", action="store_true", help="approximate a processor without AVX-512")
    options = parser.parse_args(arguments)
    print(f"Processor: {processor()}\nInstruction sets: {', '.join(instruction_sets()) or 'unknown'}")
    checkpoint = ensure_checkpoint(options.work.resolve() / "checkpoint")
    trees = {"old": options.old.resolve(), "new": ROOT}
    folders = {name: export_graph(tree, checkpoint, checkpoint.parent / name) for name, tree in trees.items()}
    if options.without_avx512:
        print(f"Limited by {' '.join(f'{name}={value}' for name, value in LIMITS.items())}")
        os.environ.update(LIMITS)  # the engines' processes inherit it
    engines = {name: Engine(tensorflow_call, folder) for name, folder in folders.items()}
    if not options.without_avx512:
        engines["ONNX Runtime"] = Engine(onnx_call, checkpoint)
    generator = np.random.default_rng(0)
    print("p50 ms")
    for batch, length in SHAPES:
        ids = generator.integers(5, 8000, (batch, length)).astype(np.int32)
        rounds = [time_engines(engines, ids, options.seconds) for _ in range(options.rounds)]
        p50 = {name: float(np.median([figures[name] for figures in rounds])) for name in engines}
        ratios = [f"old / new {p50['old'] / p50['new']:.2f}"]
        if "ONNX Runtime" in p50:
            ratios.append(f"new / ONNX Runtime {p50['new'] / p50['ONNX Runtime']:.2f}")
        shown = "  ".join(
            f"{name} {p50[name]:.1f} ({min(r[name] for r in rounds):.1f}-{max(r[name] for r in rounds):.1f})"
            for name in engines
        )
        print(f"{batch:2} x {length:3}:  {shown}  {'  '.join(ratios)}", flush=True)
    for name, engine in engines.items():
        print(f"{name}: load {engine.load_s:.1f} s, with the engine's import; peak memory {engine.close():.0f} MB")


if __name__ == "__main__":
    main()
