"""Export, serve and query a model (``python -m deploy.local``)."""

import argparse
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bert_mlm_client import BertMlmError, FillMask
from rich.console import Console
from rich.table import Table

from deploy.local.gateway import run_gateway
from deploy.local.process import Running, StartError, hurry, wait_for_first_exit
from deploy.local.server import run_server
from deploy.local.versions import ensure_version
from export import ExportError

SENTENCES = (
    "床前明月光，疑是地[MASK]霜。",
    "今天天气真[MASK]啊，适合出去玩。",
    "中国的首都是[MASK]京。",
    "他做事总是半[MASK]而废。",
    "春眠不觉晓，处处闻啼[MASK]。",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a checkpoint and serve it behind the gateway.

    Prints sample answers and runs until Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=main.__doc__)
    parser.add_argument("--model", default="models/demo", help="checkpoint folder, or name on the Hugging Face hub")
    parser.add_argument("--revision", help="commit, branch or tag on the hub (default: pinned where known, else main)")
    parser.add_argument("--name", default="bert_mlm", help="name of the servable (default bert_mlm)")
    parser.add_argument("--output", type=Path, default=Path("models"), help="folder of the servables (default models)")
    parser.add_argument("--grpc-port", type=_port, default=8500, help="GRPC_PORT (default 8500)")
    parser.add_argument("--rest-port", type=_port, default=8501, help="REST_PORT (default 8501)")
    parser.add_argument("--gateway-port", type=_port, default=8000, help="GATEWAY_PORT (default 8000)")
    parser.add_argument("--log", type=Path, default=Path("build/server.log"), help="file of the server's output")
    parser.add_argument(
        "--gateway-log", type=Path, default=Path("build/gateway.log"), help="file of the gateway's output"
    )
    options = parser.parse_args(arguments)
    hurry.clear()
    for number in (signal.SIGINT, signal.SIGTERM):  # shells start background jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    try:
        _check_free(options.grpc_port, "GRPC_PORT")
        _check_free(options.rest_port, "REST_PORT")
        _check_free(options.gateway_port, "GATEWAY_PORT")
        version = ensure_version(options.model, options.output / options.name, options.revision)
        servable, grpc_port, rest_port = version.parent, options.grpc_port, options.rest_port
        print(f"Starting server and gateway for {version}.", flush=True)
        with (
            run_server(servable, grpc_port=grpc_port, rest_port=rest_port, log=options.log) as server,
            run_gateway(servable, port=options.gateway_port, grpc_port=grpc_port, log=options.gateway_log) as gateway,
        ):
            _show(options.name, grpc_port=grpc_port, rest_port=rest_port, gateway_port=options.gateway_port)
            _report_exit(wait_for_first_exit(server, gateway))
            return 1
    except (ExportError, StartError, BertMlmError, OSError) as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise ValueError
    return number


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A second exception could end the clean-up of the first. SIGTERM comes twice where `make` forwards it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, _hurry)
    raise KeyboardInterrupt


def _hurry(_number: int, _frame: FrameType | None) -> None:
    hurry.set()


def _check_free(port: int, setting: str) -> None:
    """Check that a port is available before the slow export."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            msg = f"port {port} is not available ({error.strerror}); choose another, such as {setting}={port + 100}"
            raise StartError(msg) from error


def _show(name: str, *, grpc_port: int, rest_port: int, gateway_port: int) -> None:
    """Print the addresses and sample answers over gRPC."""
    address = f"grpc://127.0.0.1:{grpc_port}"
    table = Table("sentence", "answer", "probability", "next best")
    with FillMask(address, model=name) as client:
        for sentence in SENTENCES:
            best, *others = client.fill(sentence, top_k=5)
            table.add_row(sentence, best.token_str, f"{best.score:.1%}", " ".join(other.token_str for other in others))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"gRPC       {address}")
    console.print(f"REST       http://127.0.0.1:{rest_port}/v1/models/{name}")
    console.print(f"Workbench  http://127.0.0.1:{gateway_port}")
    console.print(f'Ask        .venv/bin/bert-mlm fill "{SENTENCES[0]}" --url {address}', markup=False)
    console.print("Ctrl-C stops both.")


def _report_exit(ended: Running) -> None:
    """Print which process exited, as an error."""
    status = ended.process.returncode
    print(f"run: the {ended.name} ended with status {status}; its output is in {ended.log}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
