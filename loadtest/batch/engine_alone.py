"""Answer lines with the engine in one process, without Ray.

    python -m loadtest.batch.engine_alone LINES VERSION THREADS

It is what `loadtest.batch.speed` compares with, and imports no more than it needs.
"""

import sys
from pathlib import Path

from bert_mlm_client import FillMask, InProcess

from deploy.batch.answer import answer_rows
from deploy.batch.arguments import CHUNK_ROWS
from deploy.batch.layout import Row
from deploy.batch.tasks import Task
from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.lifecycle.memory import tune_heap


def answer_alone(source: Path, version: Path, threads: int) -> int:
    """Answer the lines in this process and return their number."""
    tune_heap()
    question = Task("fill", top_k=5).question()
    rows = [Row(line, line, (line,)) for line in source.read_text(encoding="utf-8").splitlines()]
    count = 0
    with FillMask(InProcess(OnnxEngine(version, threads=threads))) as client:
        for start in range(0, len(rows), CHUNK_ROWS):
            lines, failed = answer_rows(question, client, rows[start : start + CHUNK_ROWS])
            count += len(lines) - failed
    return count


if __name__ == "__main__":
    print(answer_alone(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
