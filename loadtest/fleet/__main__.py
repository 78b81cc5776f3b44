"""Test several servers with their own addresses under faults.

    sudo .venv/bin/python -m loadtest.fleet
    sudo .venv/bin/python -m loadtest.fleet --scenarios cut,roll --servable models/bert_mlm

Starts embedded servers in network namespaces (`network`), a gateway before them and steady load through the gateway and
the client, both of which know the servers by one name. Then servers are stopped, killed, cut off, slowed and rolled to
a new version. Prints for each phase the share of each server, calls, failures and latencies, and writes them by the
second. Exits with status 1 if more calls failed than allowed or the load was not balanced again.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtest.failover import MODEL
from loadtest.fleet.calls import PATHS, read_calls
from loadtest.fleet.network import HOST, Network, call_in, missing, prefix_of
from loadtest.fleet.plan import Plan, add_options, parse_names
from loadtest.fleet.report import Outcome, document, faults, table
from loadtest.fleet.scenarios import SCENARIOS, run_scenario
from loadtest.fleet.servers import GRPC_PORT, REST_PORT, FleetServer
from loadtest.processes import ROOT, StartError, http, serve

_GATEWAY_PORT = 8000
_TARGETS = {"grpc": f"grpc://{HOST}:{GRPC_PORT}", "rest": f"http://{HOST}:{REST_PORT}"}


def run(version: Path, work: Path, names: Sequence[str], plan: Plan, protocol: str = "grpc") -> list[Outcome]:
    """Run scenarios under load, whose calls are in ``work/calls.jsonl``.

    Raises:
        StartError: the network could not be created, or a process did not start.
    """
    target, output = _TARGETS[protocol], work / "calls.jsonl"
    gateway = ["-m", "deploy.gateway", "serve", "--host=127.0.0.1", f"--port={_GATEWAY_PORT}"]
    gateway += [f"--serving-url={target}", f"--model-name={MODEL}", f"--timeout-s={plan.timeout_s}"]
    gateway += [f"--log-folder={work / 'gateway'}"]
    load = ["-m", "loadtest.fleet.load", f"--target={target}", f"--gateway-port={_GATEWAY_PORT}"]
    load += [f"--connections={plan.connections}", f"--rate={plan.rate}", f"--timeout-s={plan.timeout_s}"]
    load += [f"--output={output}"]
    output.unlink(missing_ok=True)
    with ExitStack() as stack:
        network = stack.enter_context(Network(plan.servers))
        servers = [FleetServer(network, number, version, work) for number in range(plan.servers)]
        for server in servers:
            stack.enter_context(server)
        prefix = prefix_of(network.front)

        def ready() -> None:
            call_in(network.front, lambda: http(_GATEWAY_PORT, "GET", "/readyz"))

        def loaded() -> None:
            if {call.path for call in read_calls(output)} != set(PATHS):
                msg = "no calls yet"
                raise OSError(msg)

        stack.enter_context(serve(gateway, ready=ready, log=work / "gateway.log", prefix=prefix))
        stack.enter_context(serve(load, ready=loaded, log=work / "load.log", prefix=prefix))
        return [run_scenario(name, servers, plan) for name in names]


@contextmanager
def exported(servable: Path | None) -> Iterator[Path]:
    """Return the newest version of a servable.

    Without one, the demonstration checkpoint is exported for the block.

    Raises:
        StartError: the folder has no version, or the export failed.
    """
    with TemporaryDirectory(prefix="bertfleet-") as folder:
        if servable is None:
            command = [sys.executable, "-m", "export", "--model", str(ROOT / "models" / "demo"), "--name", MODEL]
            done = subprocess.run(  # noqa: S603 - our own words
                [*command, "--output", folder], cwd=ROOT, capture_output=True, text=True, check=False
            )
            if done.returncode:
                msg = f"the export failed: {done.stderr.strip()[-500:]}"
                raise StartError(msg)
            servable = Path(folder) / MODEL
        versions = [one for one in servable.glob("*") if one.name.isdigit()]
        if not versions:
            msg = f"{servable} has no version; run `make export` first, or leave --servable out"
            raise StartError(msg)
        yield max(versions, key=lambda one: int(one.name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Test several servers with their own addresses under faults."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.fleet", description=main.__doc__)
    parser.add_argument("--servable", type=Path, help="the folder of the versions (default: export models/demo)")
    parser.add_argument(
        "--scenarios", default=",".join(SCENARIOS), help="some of them, separated by commas (%(default)s)"
    )
    parser.add_argument("--protocol", choices=tuple(_TARGETS), default="grpc", help="of client and gateway")
    parser.add_argument("--work", type=Path, default=Path("build/fleet"), help="where versions, logs and fleet.json go")
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        names, plan = parse_names(options.scenarios, tuple(SCENARIOS)), Plan.parse(options)
    except ValueError as error:
        parser.error(str(error))
    if reason := missing():
        print(f"fleet: {reason}", file=sys.stderr)
        return 1
    # SIGTERM ends the run like Ctrl-C, so that the namespaces are deleted.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        work = options.work.resolve()
        with exported(options.servable) as version:
            work.mkdir(parents=True, exist_ok=True)
            outcomes = run(version, work, names, plan, options.protocol)
    except (OSError, StartError) as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fleet: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    calls = list(read_calls(work / "calls.jsonl"))
    print("\n\n".join(table(outcome, calls, plan.budget) for outcome in outcomes))
    path = work / "fleet.json"
    written = {"plan": asdict(plan), "scenarios": [document(outcome, calls, plan.budget) for outcome in outcomes]}
    path.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nWrote {path}.")
    return 1 if any(fault for outcome in outcomes for fault in faults(outcome, calls, plan.budget)) else 0


if __name__ == "__main__":
    sys.exit(main())
