"""Measure the gateway's CPU time per request.

    python -m loadtest.gateway_overhead

Sentences are filled by a gateway with its defaults, request log on, in front of a server that replays a recorded
answer, and alternately through the thin client alone, as a Python service would. CPU time, which other load changes
less than wall time, is that of the whole process, all threads and system time included, divided by requests. The least
of several rounds counts, since other load only adds to it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bert_mlm_client import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest.bench.load import Job, Result
from loadtest.client_overhead import VOCABULARY, instant_server, record
from loadtest.processes import ROOT, cpu_s, free_port, http, serve
from loadtest.sentences import masked_sentences

SENTENCES = 240
CONNECTIONS = 1  # concurrent sentences would share a call, which the replaying server cannot answer


def asked(job: Job) -> Result:
    """Run a load generator job in a subprocess."""
    command = [sys.executable, "-m", "loadtest.bench.load"]
    done = subprocess.run(command, cwd=ROOT, input=job.to_json(), stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own words
    result = Result(**json.loads(done.stdout))
    if result.errors:
        sys.exit(f"gateway_overhead: {result.errors[0]}")
    return result


def through_gateway_ms(process: "subprocess.Popen[bytes]", job: Job) -> float:
    """Return the gateway's CPU time per request, in ms."""
    before = cpu_s(process)
    result = asked(job)
    return 1000 * (cpu_s(process) - before) / result.asked


def through_client_ms(job: Job) -> float:
    """Return the client process's CPU time per request, in ms."""
    result = asked(job)
    return 1000 * result.cpu_s / result.asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the CPU time per request of gateway and client."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.gateway_overhead", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round (2)")
    options = parser.parse_args(arguments)
    tokenizer = Tokenizer(Vocabulary.read(VOCABULARY), TokenizerConfig())
    texts = [text.encode() for text in masked_sentences(SENTENCES)]
    bodies = [json.dumps({"text": text.decode()}, ensure_ascii=False).encode() for text in texts]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, instant_server(record(tokenizer, 1)) as ports:
        serving = f"--serving-url=grpc://127.0.0.1:{ports['grpc']}"
        command = ["-m", "deploy.gateway", "serve", f"--port={port}", serving, f"--log-folder={folder}/logs"]
        gateway_job = Job("http", port, "/predict", tuple(bodies), CONNECTIONS, 0.0, options.seconds)
        client_job = Job("client", ports["grpc"], "", tuple(texts), CONNECTIONS, 0.0, options.seconds)
        with serve(
            command, ready=lambda: http(port, "POST", "/predict", bodies[0]), log=Path(folder) / "gateway.log"
        ) as process:
            gateway_ms, client_ms = [], []
            for _ in range(options.rounds):
                gateway_ms.append(through_gateway_ms(process, gateway_job))
                client_ms.append(through_client_ms(client_job))
    least, direct = min(gateway_ms), min(client_ms)
    print(f"gateway        {least:.3f} ms CPU a request ({', '.join(f'{one:.3f}' for one in gateway_ms)})")
    print(f"client alone   {direct:.3f} ms CPU a request ({', '.join(f'{one:.3f}' for one in client_ms)})")
    print(f"the difference {least - direct:.3f} ms: HTTP, JSON, limits, log, metrics")


if __name__ == "__main__":
    main()
