"""Export, serve and query a model (``python -m deploy.local``)."""

import argparse
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from bert_mlm_client import BertMlmError
from rich.console import Console

from deploy.local.examples import SENTENCES, read_examples, show_classified, show_filled, show_filled_by_gateway
from deploy.local.gateway import run_gateway
from deploy.local.process import Running, StartError, hurry, wait_for_first_exit
from deploy.local.server import run_server
from deploy.local.training import ensure_checkpoint
from deploy.local.versions import ensure_version, newest_version
from export import ExportError

DATA = Path(__file__).parents[2] / "models"
CHECKPOINTS = Path("build/classifiers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a checkpoint and serve it behind the gateway.

    With --classifier it also fine-tunes, exports and serves a classifier; with --engine the gateway runs the models in
    its own process. Prints sample answers and runs until Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=main.__doc__)
    parser.add_argument("--model", default="models/demo", help="checkpoint folder, or name on the Hugging Face hub")
    parser.add_argument("--revision", help="commit, branch or tag on the hub (default: pinned where known, else main)")
    parser.add_argument("--name", default="bert_mlm", help="name of the servable (default bert_mlm)")
    parser.add_argument("--classifier", default="", help="also train and serve this classifier, such as genre")
    parser.add_argument(
        "--engine", choices=("", "onnx"), default="", help="run this engine in the gateway's process, without a server"
    )
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
        _check_names(options.name, options.classifier)
        if not options.engine:
            _check_free(options.grpc_port, "GRPC_PORT")
            _check_free(options.rest_port, "REST_PORT")
        _check_free(options.gateway_port, "GATEWAY_PORT")
        versions = [ensure_version(options.model, options.output / options.name, options.revision)]
        if options.classifier:
            versions.append(_ensure_classifier(options.classifier, options.output))
        with ExitStack() as stack:
            processes = _start(options, versions, stack)
            _show(options)
            _report_exit(wait_for_first_exit(*processes))
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


def _check_names(model: str, classifier: str) -> None:
    if model == classifier:
        msg = f"both models would be named {model}; choose another NAME or CLASSIFIER"
        raise StartError(msg)


def _check_free(port: int, setting: str) -> None:
    """Check that a port is available before the slow export."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            msg = f"port {port} is not available ({error.strerror}); choose another, such as {setting}={port + 100}"
            raise StartError(msg) from error


def _ensure_classifier(name: str, output: Path) -> Path:
    """Return the classifier's newest version.

    It is trained and exported first if needed.
    """
    data, servable = DATA / name, output / name
    if (data / "train.tsv").is_file():
        return ensure_version(str(ensure_checkpoint(data, CHECKPOINTS)), servable)
    version = newest_version(servable)
    if version is None:
        msg = f"{data} has no train.tsv to train {name} from, and {servable} no exported version of it"
        raise StartError(msg)
    return version


def _start(options: argparse.Namespace, versions: Sequence[Path], stack: ExitStack) -> list[Running]:
    """Start the server and the gateway.

    A gateway with its own engine needs no server.
    """
    servables = [version.parent for version in versions]
    names = "gateway" if options.engine else "server and gateway"
    print(f"Starting {names} for {' and '.join(map(str, versions))}.", flush=True)
    processes = []
    if not options.engine:
        server = run_server(servables, grpc_port=options.grpc_port, rest_port=options.rest_port, log=options.log)
        processes.append(stack.enter_context(server))
    gateway = run_gateway(
        servables[0],
        classifier=options.classifier,
        engine=options.engine,
        port=options.gateway_port,
        grpc_port=options.grpc_port,
        log=options.gateway_log,
    )
    return [*processes, stack.enter_context(gateway)]


def _show(options: argparse.Namespace) -> None:
    """Print sample answers and the addresses."""
    if options.engine:
        _show_gateway(options.gateway_port)
        return
    address = f"grpc://127.0.0.1:{options.grpc_port}"
    rest = f"http://127.0.0.1:{options.rest_port}/v1/models"
    console = Console(highlight=False, soft_wrap=True)
    show_filled(console, address, options.name)
    texts = read_examples(DATA / options.classifier / "examples.txt")
    if texts:
        show_classified(console, address, options.classifier, texts)
    console.print(f"gRPC       {address}")
    for name in filter(None, (options.name, options.classifier)):
        console.print(f"REST       {rest}/{name}")
    console.print(f"Workbench  http://127.0.0.1:{options.gateway_port}")
    console.print(f'Ask        .venv/bin/bert-mlm fill "{SENTENCES[0]}" --url {address}', markup=False)
    if texts:
        command = f'.venv/bin/bert-mlm classify --model {options.classifier} "{texts[0]}"'
        console.print(f"           {command} --url {address}", markup=False)
    console.print("Ctrl-C stops both.")


def _show_gateway(port: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    show_filled_by_gateway(console, port)
    console.print(f"Workbench  http://127.0.0.1:{port}")
    console.print(f"API        http://127.0.0.1:{port}/docs")
    console.print("Ctrl-C stops it.")


def _report_exit(ended: Running) -> None:
    """Print which process exited, as an error."""
    status = ended.process.returncode
    print(f"run: the {ended.name} ended with status {status}; its output is in {ended.log}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
