"""Measure the client's own time per call, by stage.

    python -m loadtest.client_overhead

Sentences of 20 characters are filled over gRPC and REST, one and 64 a call, against a server in another process that
replays a recorded answer. CPU time is that of all threads of this process, divided by sentences. Stages that need no
server are timed separately; "sending and receiving" is the transport's time minus encoding and decoding, and "checking"
is the call's time minus all other stages.
"""

import argparse
import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpcore2
import numpy as np
from bert_mlm_client import FillMask, Tokenizer
from bert_mlm_client.drive import drive
from bert_mlm_client.exchanges import fill
from bert_mlm_client.transport import Answer, open_transport
from bert_mlm_client.transport import grpc as over_grpc
from bert_mlm_client.transport import rest as over_rest
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from bert_mlm_client.wire import encode_tensor, messages

from deploy.embedded.json_codec import write as json_write
from loadtest.sentences import text_of

ROOT = Path(__file__).parents[1]
VOCABULARY = ROOT / "models" / "demo" / "vocab.txt"
CHARACTERS = 20
EXPORTED = 100
GOAL_MS = 0.4

_ROUNDS = 7
_ROUND_S = 0.3


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time and wall time per sentence.

    Attributes:
        cpu_ms: CPU time of this process.
        wall_ms: time on the clock.
    """

    cpu_ms: float
    wall_ms: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu_ms - other.cpu_ms, self.wall_ms - other.wall_ms)


def cost(action: Callable[[], object], sentences: int) -> Cost:
    """Return the least cost of several rounds.

    Other load on the machine only adds to a cost.
    """
    action()
    repeats = 1
    while (spent := _spent(action, repeats)).wall_ms < _ROUND_S * 1e3:
        repeats = max(repeats + 1, int(repeats * min(10, _ROUND_S * 1.1e3 / spent.wall_ms)))
    rounds = [_spent(action, repeats) for _ in range(_ROUNDS)]
    count = repeats * sentences
    return Cost(min(one.cpu_ms for one in rounds) / count, min(one.wall_ms for one in rounds) / count)


def _spent(action: Callable[[], object], repeats: int) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        action()
    return Cost((time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3)


def record(tokenizer: Tokenizer, rows: int) -> dict[str, Answer]:
    """Return recorded answers with candidates and the vocabulary."""
    generator = np.random.default_rng(0)
    scores = -np.sort(-generator.dirichlet(np.full(EXPORTED, 0.1), (rows, 1)).astype(np.float32), axis=-1)
    token_ids = generator.integers(106, len(tokenizer.vocabulary.tokens), scores.shape, np.int32)
    vocab = "\n".join(tokenizer.vocabulary.tokens).encode()
    config = {
        "do_lower_case": True,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "max_length": 512,
        "vocab_size": len(tokenizer.vocabulary.tokens),
        "vocab_sha256": tokenizer.vocabulary.digest,
    }
    return {
        "fill_mask": Answer({"token_ids": token_ids, "scores": scores}),
        "tokenizer": Answer(
            {"vocab": np.array([vocab], object), "config": np.array([json.dumps(config).encode()], object)}
        ),
    }


def grpc_answer(answer: Answer) -> bytes:
    """Return an answer as TensorFlow Serving's gRPC API sends it."""
    outputs = {name: encode_tensor(array, as_content=False) for name, array in answer.items()}
    return messages.PredictResponse(outputs=outputs).SerializeToString()


@contextmanager
def instant_server(answers: dict[str, Answer]) -> Iterator[dict[str, int]]:
    """Serve the answers in a subprocess and yield its ports."""
    written = {
        "grpc": {name: base64.b64encode(grpc_answer(answer)).decode() for name, answer in answers.items()},
        "rest": {name: base64.b64encode(json_write.columns(answer)).decode() for name, answer in answers.items()},
    }
    command = [sys.executable, "-m", "loadtest.instant_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own words
        try:
            assert process.stdin  # noqa: S101  both are pipes
            assert process.stdout  # noqa: S101
            process.stdin.write(json.dumps(written))
            process.stdin.close()
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def stages(tokenizer: Tokenizer, texts: Sequence[str], url: str, answers: dict[str, Answer]) -> dict[str, Cost]:
    """Time a call and its stages."""
    count, answer = len(texts), answers["fill_mask"]
    servable = Servable.parse(url, model="bert_mlm", version=None)
    [request] = next(fill(tokenizer, texts, 5))
    encode: Callable[[], object]  # private methods below: the transport's stages have no public API
    if servable.scheme == "grpc":
        encode = partial(over_grpc._encode, request, servable)  # noqa: SLF001
        decode = partial(over_grpc._decode, grpc_answer(answer), servable, request)  # noqa: SLF001
    else:
        exchange = over_rest._Exchange(servable)  # noqa: SLF001
        encode = partial(exchange.ask, request)
        response = httpcore2.Response(200, content=json_write.columns(answer))
        response.read()
        decode = partial(exchange.answer, response, request)
    tokenise = cost(lambda: [tokenizer.encode(text) for text in texts], count)
    asking = cost(lambda: next(fill(tokenizer, texts, 5)), count)
    without_transport = cost(lambda: drive(fill(tokenizer, texts, 5), lambda _: [answer]), count)
    encoding, decoding = cost(encode, count), cost(decode, count)
    with closing(open_transport(url)) as transport:
        carrying = cost(lambda: transport.predict(request, timeout=10), count)
    with FillMask(url) as client:
        whole = cost(lambda: client.fill(texts), count)
    return {
        "check the call": whole - carrying - without_transport,
        "tokenise": tokenise,
        "build the request": asking - tokenise,
        "encode": encoding,
        "send and receive": carrying - encoding - decoding,
        "decode": decoding,
        "make results": without_transport - asking,
        "all": whole,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the client's cost per sentence, by stage."""
    argparse.ArgumentParser(prog="python -m loadtest.client_overhead", description=main.__doc__).parse_args(arguments)
    tokenizer = Tokenizer(Vocabulary.read(VOCABULARY), TokenizerConfig())
    for rows in (1, 64):
        texts = [text_of(CHARACTERS)] * rows
        answers = record(tokenizer, rows)
        with instant_server(answers) as ports:
            for protocol, scheme in (("grpc", "grpc"), ("rest", "http")):
                url = f"{scheme}://127.0.0.1:{ports[protocol]}"
                print(
                    f"\n{protocol}, {rows} {'sentence' if rows == 1 else 'sentences'} of {CHARACTERS} characters a call"
                )
                for name, one in stages(tokenizer, texts, url, answers).items():
                    print(f"{name:20}{one.cpu_ms:8.4f} ms CPU{one.wall_ms:9.4f} ms")
                    if name == "all":
                        print(f"{'met' if one.cpu_ms < GOAL_MS else 'missed'}: under {GOAL_MS} ms a sentence")


if __name__ == "__main__":
    main()
