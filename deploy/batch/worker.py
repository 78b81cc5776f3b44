"""Answer chunks in a Ray actor."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_mlm_client import BertMlmError, InProcess
from bert_mlm_client.commands import message_of

from deploy.batch.answer import answer_rows, check_first_rows
from deploy.batch.chunk import Chunk
from deploy.batch.errors import BatchError
from deploy.batch.layout import Layout
from deploy.batch.output import Output
from deploy.batch.rows import open_reader
from deploy.batch.tasks import Task
from deploy.embedded.engines import Array
from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.errors import ServingError
from deploy.embedded.lifecycle.memory import tune_heap


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs for every chunk.

    Attributes:
        task: the task.
        layout: the columns of the input.
        model: the version folder.
        output: the output folder.
        threads: threads of one run of the engine.
    """

    task: Task
    layout: Layout
    model: Path
    output: str
    threads: int


class Worker:
    """Read, answer and commit chunks.

    Texts and answers stay in the worker: only chunks and counts pass through Ray.
    """

    def __init__(self, job: Job) -> None:
        tune_heap()
        self._job = job
        self._reader = open_reader(job.layout)
        self._question = job.task.question()
        self._output = Output(job.output)
        self._client: Any = None

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """Answer the chunks of a batch and return their counts."""
        results = [self._try(Chunk.from_json(str(text))) for text in batch["chunk"]]
        return {name: [result[name] for result in results] for name in results[0]}

    def run(self, chunk: Chunk) -> tuple[int, int]:
        """Answer a chunk and return its rows and errors.

        Raises:
            BatchError: the options, the model or the input prevent any answer.
        """
        if self._client is None:
            self._client = self._open()
        rows = self._reader.read(chunk)
        try:
            lines, failed = answer_rows(self._question, self._client, rows)
        except BertMlmError as error:
            raise BatchError(message_of(error)) from error
        if chunk.number == 0:
            check_first_rows(lines, failed)
        self._output.commit(chunk.number, lines, failed)
        return len(lines), failed

    def _try(self, chunk: Chunk) -> dict[str, Any]:
        """Return the counts, or an error that ends the run.

        An exception would reach the driver without its type, after Ray's own message.
        """
        rows = failed = 0
        message = ""
        try:
            rows, failed = self.run(chunk)
        except BatchError as error:
            message = str(error)
        except (OSError, ServingError) as error:
            message = f"{chunk.name}, from line {chunk.line}: {error}"
        return {"number": chunk.number, "rows": rows, "failed": failed, "error": message}

    def _open(self) -> Any:
        engine = _SerialEngine(OnnxEngine(self._job.model, threads=self._job.threads))
        return self._question.client(InProcess(engine), model=self._job.model.parent.name)


class _SerialEngine:
    """Run one request at a time.

    Concurrent runs of a client's requests would compete for the same cores.
    """

    def __init__(self, engine: OnnxEngine) -> None:
        self.signatures = engine.signatures
        self._engine = engine
        self._lock = threading.Lock()

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        with self._lock:
            return self._engine.run(signature, inputs, outputs)
