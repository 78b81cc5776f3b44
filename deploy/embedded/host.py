"""Load, serve and close the models of one process."""

import asyncio
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from deploy.embedded import batching, metrics
from deploy.embedded.batching.direct import THREADS_PER_CORE
from deploy.embedded.engines import Engine, Load
from deploy.embedded.engines.onnx import OMITTED_SIGNATURES, OnnxEngine
from deploy.embedded.flags import Settings
from deploy.embedded.lifecycle.loader import Loader
from deploy.embedded.lifecycle.manager import Lifecycle
from deploy.embedded.lifecycle.warmup import warm_up
from deploy.embedded.repository import Repository

logger = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S = 0.5


class ModelHost:
    """The models of a process, without an API.

    Attributes:
        repository: finds the version that a request names.
        lifecycle: loads and replaces the versions.
    """

    def __init__(self, settings: Settings, load: Load) -> None:
        """Create repository, lifecycle and threads.

        Args:
            settings: the settings of batching, warmup and lifecycle.
            load: loads the version in a folder, without warmup; called in a thread.
        """
        # Requests that are not batched run in these.
        threads = ThreadPoolExecutor(THREADS_PER_CORE * cores(), thread_name_prefix="run")
        self.repository = Repository()
        self.lifecycle = Lifecycle(
            self.repository,
            Loader(
                partial(_load, settings, load),
                partial(batching.create_runner, options=batching.options(settings, cores()), threads=threads),
                max_num_load_retries=settings.max_num_load_retries,
                retry_interval_s=settings.load_retry_interval_micros / 1e6,
                num_load_threads=settings.num_load_threads,
                num_unload_threads=settings.num_unload_threads,
            ),
            poll_s=settings.file_system_poll_wait_seconds,
            labels_for_unavailable=settings.allow_version_labels_for_unavailable_models,
        )

    async def close(self) -> bool:
        """Close all versions within ``_CLOSE_TIMEOUT_S``.

        Returns:
            False on a timeout.
        """
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                for versions in self.repository.versions.values():
                    for servable in [version.servable for version in versions.values() if version.servable]:
                        await servable.runner.close()
                        await asyncio.to_thread(servable.engine.close)
        except TimeoutError:
            return False
        except Exception:
            logger.exception("A model could not be closed.")
        return True


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load(settings: Settings, load: Load, folder: Path) -> Engine:
    """Load a version and run its warmup records."""
    engine = load(folder)
    if settings.enable_model_warmup:
        started = time.perf_counter()
        count = warm_up(
            engine,
            folder,
            settings.num_request_iterations_for_warmup,
            check_method_names=settings.enable_signature_method_name_check,
            skip_signatures=OMITTED_SIGNATURES if isinstance(engine, OnnxEngine) else (),
        )
        if count:
            metrics.WARMUP_LATENCY.observe((time.perf_counter() - started) * 1e6, str(folder), "OK")
            metrics.WARMUP_RECORDS_READ.add(str(folder), amount=count)
            logger.info("Ran %d warmup records of %s.", count, folder)
    return engine
