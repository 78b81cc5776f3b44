"""Time the engines alone and through the servers.

    python -m loadtest.bench.engines --version FOLDER --rival FILE [--ctranslate2 FOLDER]
        [--server NAME GRPC_PORT HTTP_PORT]... [--gateway NAME GRPC_PORT HTTP_PORT]

prints p50_ms and p95_ms of each as JSON; the difference is the cost of the round trip. All answer one sentence of 16
tokens with one [MASK]; ``rival`` is ONNX Runtime on the rival's float32 graph with full logits, with a thread a core
like the others, and ``ctranslate2`` the encoder alone, in int8, without a head. Servers receive token ids; the
gateway's model server is also asked through the thin client, which takes text as the gateway does.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import grpc
import numpy as np
from bert_mlm_client import FillMask
from bert_mlm_client.transport import Request

from deploy.embedded.engines import Engine
from deploy.embedded.engines.onnx import ONNX_FILE, OnnxEngine
from deploy.embedded.engines.tensorflow import TensorFlowEngine
from loadtest.bench.systems import MODEL
from loadtest.bench.workloads import ONE_TOKENS
from loadtest.questions import OUTPUTS, PREDICT, grpc_message, rest_body
from loadtest.sentences import text_of

_WARM_UP = 10
_PAUSE_S = 0.01
_HEADERS = {"Content-Type": "application/json"}

Call = Callable[[], object]


def question() -> Request:
    """Return one sentence of ``ONE_TOKENS`` tokens with one [MASK]."""
    inputs = {
        "input_ids": np.full((1, ONE_TOKENS), 1, np.int32),
        "lengths": np.full(1, ONE_TOKENS, np.int32),
        "mask_positions": np.full((1, 1), ONE_TOKENS // 2, np.int32),
    }
    return Request("fill_mask", inputs, OUTPUTS)


def in_turns(calls: Mapping[str, Call], rounds: int) -> dict[str, dict[str, float]]:
    """Time every call once a round, with pauses between."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(_WARM_UP + rounds):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            if number >= _WARM_UP:
                times[name].append((time.perf_counter() - begun) * 1000)
            time.sleep(_PAUSE_S)  # until the engine's threads are idle
    return {
        name: {f"p{rank}_ms": round(float(np.percentile(taken, rank)), 3) for rank in (50, 95)}
        for name, taken in times.items()
    }


def _engines(version: Path) -> dict[str, Engine]:
    engines: dict[str, Engine] = {"tensorflow": TensorFlowEngine(version)}
    if (version / ONNX_FILE).is_file():
        engines["onnx"] = OnnxEngine(version)
    return engines


def _rival(file: Path) -> Call:
    from bert_mlm_client.onnx_runtime import onnxruntime

    settings = onnxruntime.SessionOptions()
    # Spinning threads would take cores from the next engine after a run; allow spinning only within one.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
    ids = np.ones((1, ONE_TOKENS), np.int64)
    inputs = {"input_ids": ids, "attention_mask": ids, "token_type_ids": np.zeros_like(ids)}
    return lambda: session.run(["logits"], inputs)


def _ctranslate2(folder: Path) -> Call:
    from loadtest.rivals.ctranslate2_encoder import load_encoder

    encode, ids = load_encoder(folder, os.cpu_count() or 1), np.ones((1, ONE_TOKENS), np.int32)
    return lambda: encode(ids)


def _over_grpc(channel: grpc.Channel) -> Call:
    predict, message = channel.unary_unary(PREDICT, None, None), grpc_message(question(), MODEL)
    return lambda: predict(message, timeout=60)


def _over_rest(connection: HTTPConnection) -> Call:
    body = rest_body(question())

    def call() -> bytes:
        connection.request("POST", f"/v1/models/{MODEL}:predict", body, _HEADERS)
        return connection.getresponse().read()

    return call


def _over_client(client: FillMask) -> Call:
    text = text_of(ONE_TOKENS - 2)
    return lambda: client.fill(text)


def _over_gateway(connection: HTTPConnection) -> Call:
    body = json.dumps({"text": text_of(ONE_TOKENS - 2)}).encode()

    def call() -> bytes:
        connection.request("POST", "/predict", body, _HEADERS)
        return connection.getresponse().read()

    return call


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the engines alone and through the servers."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.engines", description=main.__doc__)
    parser.add_argument("--version", type=Path, required=True, help="the exported version's folder")
    parser.add_argument("--rival", type=Path, required=True, help="the rival's ONNX file")
    parser.add_argument("--ctranslate2", type=Path, help="the encoder's folder in CTranslate2's form")
    parser.add_argument("--server", nargs=3, action="append", default=[], metavar=("NAME", "GRPC_PORT", "HTTP_PORT"))
    parser.add_argument(
        "--gateway", nargs=3, metavar=("NAME", "GRPC_PORT", "HTTP_PORT"), help="a gateway and its backend"
    )
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args(arguments)
    request = question()
    calls: dict[str, Call] = {"rival": _rival(options.rival)}
    if options.ctranslate2:
        calls["ctranslate2"] = _ctranslate2(options.ctranslate2)
    for name, engine in _engines(options.version).items():
        calls[name] = partial(engine.run, request.signature, request.inputs, request.outputs)
    with ExitStack() as stack:
        for name, grpc_port, http_port in options.server:
            channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{grpc_port}"))
            connection = HTTPConnection("127.0.0.1", int(http_port), timeout=60)
            stack.callback(connection.close)
            calls |= {f"{name} gRPC": _over_grpc(channel), f"{name} REST": _over_rest(connection)}
        if options.gateway:
            name, grpc_port, http_port = options.gateway
            client = stack.enter_context(FillMask(f"grpc://127.0.0.1:{grpc_port}", MODEL))
            connection = HTTPConnection("127.0.0.1", int(http_port), timeout=60)
            stack.callback(connection.close)
            calls |= {f"{name} client": _over_client(client), f"{name} gateway": _over_gateway(connection)}
        print(json.dumps(in_turns(calls, options.rounds)))


if __name__ == "__main__":
    main()
