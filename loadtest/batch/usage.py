"""Sample CPU time and memory of process trees."""

import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Self

import psutil

INTERVAL_S = 0.2
_MB = 1e6

_Key = tuple[int, float]


class Sampler:
    """Sample the descendants of processes in a thread.

    A process that ends between two samples loses its CPU time since the last one.

    Args:
        roots: returns the processes whose trees are sampled.
        watched: a word in the command line of the processes whose memory is sampled; empty for none.
    """

    def __init__(self, roots: Callable[[], Sequence[int]], watched: str = "") -> None:
        self._roots, self._watched = roots, watched
        self._cpu_s: dict[_Key, float] = {}
        self.memory_mb: dict[_Key, list[float]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    @property
    def cpu_s(self) -> float:
        """CPU time of all processes, ended ones included."""
        return sum(self._cpu_s.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            for pid in self._roots():
                for one in tree(pid):
                    self._add(one)

    def _add(self, one: psutil.Process) -> None:
        try:
            key = (one.pid, one.create_time())
            times = one.cpu_times()
            self._cpu_s[key] = times.user + times.system
            if self._watched and self._watched in " ".join(one.cmdline()):
                self.memory_mb.setdefault(key, []).append(one.memory_full_info().uss / _MB)
        except psutil.Error:
            return


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, if it runs."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all its descendants with SIGKILL."""
    for one in tree(process.pid):
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
