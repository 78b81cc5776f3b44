"""Run a training for ``export.finetune.process``."""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from export.finetune.errors import TrainingError
from export.finetune.layout import TrainingFolder

_INTERRUPTED = 130  # also in export.finetune.process, which this process does not import


def main(arguments: Sequence[str] | None = None) -> int:
    """Train in a folder.

    The training ends early when standard input is closed.
    """
    [folder] = sys.argv[1:] if arguments is None else arguments
    # All files are local, but transformers would still query the hub.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        from export.finetune.trainer.loop import StopRequestedError, Training
    except ImportError as error:
        return _fail(f"{sys.executable} cannot train: {error}")
    is_closed = threading.Event()
    threading.Thread(target=_wait_for_end, args=(is_closed,), daemon=True).start()
    try:
        training = Training(TrainingFolder(Path(folder)), is_closed.is_set)
        training.run()
    except StopRequestedError:
        return _INTERRUPTED
    except TrainingError as error:
        return _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _fail("out of memory; split batches with --accumulate 2 or more, or lower --batch-size or --max-length")
    except OSError as error:  # a full disk, for example
        return _fail(str(error))
    return 0


def _wait_for_end(is_closed: threading.Event) -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a daemon thread would hold at the interpreter's end
        pass
    is_closed.set()


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory for a tensor was not available.

    PyTorch has an exception for GPUs alone; on the CPU it is a RuntimeError of DefaultCPUAllocator or oneDNN.
    """
    from torch import OutOfMemoryError

    texts = ("not enough memory", "can't allocate memory", "out of memory", "bad_alloc")
    return isinstance(error, MemoryError | OutOfMemoryError) or any(text in str(error).lower() for text in texts)


def _fail(sentence: str) -> int:
    print(f"finetune: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
