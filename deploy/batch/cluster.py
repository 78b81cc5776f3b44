"""Run chunks on Ray Data."""

import logging
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy.batch.chunk import Chunk
from deploy.batch.errors import BatchError
from deploy.batch.worker import Job, Worker
from deploy.embedded.host import cores

_OBJECT_STORE_BYTES = 80 << 20
"""Only chunks and counts pass through it. Ray's minimum is 75 MB, its default 30 % of the memory."""

_RETRIES = 20
"""Failed calls of a worker for one chunk, after which the chunk is taken for what kills the workers. The loss of a node
alone took 2 of them, because calls fail until Ray knows of it."""

_STARTS = 3

_IN_FLIGHT = 2
"""Chunks at a worker: it answers one while the next one waits."""

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # workers would run at nice 15, and get 5 % of a busy core
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_AUTH_MODE": "token",
}


@dataclass(frozen=True, slots=True)
class Result:
    """Counts of a chunk.

    Attributes:
        number: the chunk's number.
        rows: its rows.
        failed: the number of errors among them.
    """

    number: int
    rows: int
    failed: int


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[int]:
    """Start or join Ray and yield the number of workers.

    Args:
        address: a cluster's, or None for a Ray of this process alone.
        workers: the number of workers; by default one, or in a cluster one for each node.

    Raises:
        BatchError: Ray is not installed, there is no cluster, or it is too small.
    """
    for name, value in _SETTINGS.items():
        if address is None or name != "RAY_AUTH_MODE":
            os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        msg = "Ray is not installed; run make ray"
        raise BatchError(msg) from error
    silent = {"log_to_driver": False, "logging_level": logging.ERROR}
    folder = _session_folder() if address is None else None
    try:
        if address is None:
            # Without a token, Ray writes one into the home folder, which may be read-only.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            size = {"num_cpus": (workers or 1) + 1, "object_store_memory": _OBJECT_STORE_BYTES}
            _start(include_dashboard=False, _temp_dir=folder, **size, **silent)
            yield workers or 1
        else:
            try:
                ray.init(address, **silent)
            except (OSError, RuntimeError, ValueError) as error:
                msg = f"could not join the Ray cluster at {address}: {str(error).splitlines()[0]}"
                raise BatchError(msg) from error
            yield _worker_count(ray.nodes(), workers)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def run(chunks: Sequence[Chunk], job: Job, workers: int) -> Iterator[Result]:
    """Answer chunks on workers, yielding counts in any order.

    Raises:
        BatchError: an error that ends the run; the committed chunks stay.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = context.enable_auto_log_stats = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    items = [{"chunk": chunk.to_json()} for chunk in chunks]
    with warnings.catch_warnings():
        # Ray 2.60 has no other way to bound the retries, which are endless by default.
        warnings.simplefilter("ignore")
        results = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            Worker,
            fn_constructor_args=(job,),
            batch_size=None,
            compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=_IN_FLIGHT),
            num_cpus=1,
            max_task_retries=_RETRIES,
        )
    try:
        for result in results.iter_rows():
            if result["error"]:
                raise BatchError(result["error"])
            yield Result(result["number"], result["rows"], result["failed"])
    except ray.exceptions.RayError as error:
        msg = f"Ray: {_reason(error)}"
        raise BatchError(msg) from error


def with_threads(job: Job, address: str | None) -> Job:
    """Set the threads of the engine, if none are given.

    They are this machine's cores, or the CPUs of the smallest node.
    """
    if job.threads:
        return job
    if address is None:
        return replace(job, threads=cores())
    import ray

    return replace(job, threads=max(1, min(int(cpus) for cpus in _cpus(ray.nodes()))))


def _start(**options: Any) -> None:
    """Start a local Ray.

    Ray gives its own processes 30 seconds, which is too short on a busy machine.

    Raises:
        BatchError: it did not start.
    """
    import ray

    for attempt in range(1, _STARTS + 1):
        try:
            # "local", because by default Ray joins whatever cluster was last started on this machine.
            ray.init("local", **options)
        except Exception as error:  # Ray raises no more special ones
            ray.shutdown()
            if attempt == _STARTS:
                msg = f"Ray did not start in {_STARTS} attempts, perhaps because the machine is busy: {_reason(error)}"
                raise BatchError(msg) from error
        else:
            return


def _session_folder() -> str:
    """Create a folder for Ray's sockets and logs.

    Ray's own default is shared by all users, and the sessions in it stay.
    """
    # Not TMPDIR: the path of a Unix socket has at most 107 bytes, and Ray's names take 64 of them.
    return tempfile.mkdtemp(prefix="ray-", dir="/tmp" if Path("/tmp").is_dir() else None)  # noqa: S108 - the name is random


def _worker_count(nodes: Sequence[Any], wanted: int | None) -> int:
    """Return the number of workers of a cluster.

    One CPU stays free by default, where the worker of a lost node can start again.
    """
    per_node = _cpus(nodes)
    cpus = int(sum(per_node))
    if cpus < (wanted or 1):
        msg = f"the Ray cluster has {cpus} CPUs for {wanted or 1} workers; start more nodes, or give --workers {cpus}"
        raise BatchError(msg)
    return wanted or max(1, min(len(per_node), cpus - 1))


def _cpus(nodes: Sequence[Any]) -> list[float]:
    return [node["Resources"]["CPU"] for node in nodes if node["Alive"] and node["Resources"].get("CPU")]


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
