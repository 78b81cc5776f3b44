"""Time several exported versions side by side.

    python -m loadtest.versions models/bert_mlm/1 models/bert_mlm/2

Measures the engine alone, without network: each version is loaded as the embedded server loads it, and the versions
alternate, so that other load on the machine affects all of them alike.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.embedded.engines.tensorflow import TensorFlowEngine

SIGNATURE = "fill_mask"
OUTPUTS = ("scores", "token_ids")
_WARM_UP = 5


def inputs(sentences: int, tokens: int) -> dict[str, NDArray[Any]]:
    """Return a request of equal sentences with one [MASK] each."""
    return {
        "input_ids": np.full((sentences, tokens), 1, np.int32),
        "lengths": np.full(sentences, tokens, np.int32),
        "mask_positions": np.ones((sentences, 1), np.int32),
    }


def compare(folders: Sequence[Path], *, sentences: int, tokens: int, rounds: int) -> list[dict[str, Any]]:
    """Return load time, p50 and p95 of each version."""
    engines, load_s = [], []
    TensorFlowEngine(folders[0])  # imports TensorFlow, which no version's load time includes
    for folder in folders:
        begun = time.perf_counter()
        engines.append(TensorFlowEngine(folder))
        load_s.append(time.perf_counter() - begun)
    request = inputs(sentences, tokens)
    rows: list[list[float]] = []
    for _ in range(_WARM_UP + rounds):
        rows.append([])
        for engine in engines:
            begun = time.perf_counter()
            engine.run(SIGNATURE, request, OUTPUTS)
            rows[-1].append((time.perf_counter() - begun) * 1000)
    times = np.array(rows[_WARM_UP:])
    return [
        {
            "version": str(folder),
            "load_s": round(load_s[place], 2),
            "p50_ms": round(float(np.percentile(times[:, place], 50)), 2),
            "p95_ms": round(float(np.percentile(times[:, place], 95)), 2),
        }
        for place, folder in enumerate(folders)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Time several exported versions side by side, the engine alone."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.versions", description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="version folders")
    parser.add_argument("--sentences", type=int, default=1, help="sentences a request (default 1)")
    parser.add_argument("--tokens", type=int, default=16, help="tokens a sentence (default 16)")
    parser.add_argument("--rounds", type=int, default=100, help="timed requests to each version (default 100)")
    options = parser.parse_args(arguments)
    shape = {"sentences": options.sentences, "tokens": options.tokens}
    for row in compare(options.folders, **shape, rounds=options.rounds):
        print(json.dumps({**shape, **row}))


if __name__ == "__main__":
    main()
