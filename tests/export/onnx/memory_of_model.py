"""Load a model of `test_mapping` and print the memory of this process as JSON.

    python -m tests.export.onnx.memory_of_model FILE WIDTH

The file's mapped pages and the copied ones among them, anonymous memory, and the peak, in MB.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
from bert_mlm_client.onnx_runtime import onnxruntime as ort

_KB = 1024 / 1e6


def main(path: Path, width: int) -> None:
    """Load a model, run it and print the memory."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    session.run(["last"], {"rows": np.zeros((1, width), np.int32)})
    mapped = copied = 0.0
    for mapping in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(encoding="utf-8")):
        if f"{path.name}.data" in mapping.split("\n", 1)[0]:
            mapped += _kilobytes(mapping, "Rss") * _KB
            copied += _kilobytes(mapping, "Anonymous") * _KB
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    figures = {"mapped_mb": mapped, "copied_mb": copied}
    figures |= {"anonymous_mb": _kilobytes(status, "RssAnon") * _KB, "peak_mb": _kilobytes(status, "VmHWM") * _KB}
    print(json.dumps(figures))


def _kilobytes(text: str, key: str) -> int:
    [figure] = re.findall(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
