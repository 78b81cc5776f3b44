"""Answer a corpus (``python -m deploy.batch``)."""

import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from types import FrameType

from bert_mlm_client.commands import ExitStatus

from deploy.batch.arguments import parse
from deploy.batch.cluster import connected, run, with_threads
from deploy.batch.errors import BatchError
from deploy.batch.layout import Format, Layout
from deploy.batch.model import Model, find_model
from deploy.batch.output import Output
from deploy.batch.plan import Plan, find_inputs, make_plan
from deploy.batch.progress import Progress
from deploy.batch.tasks import Task
from deploy.batch.worker import Job


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parse(arguments)
    try:
        return _run(options)
    except (BatchError, OSError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return ExitStatus.FAILED


def _run(options: Namespace) -> ExitStatus:
    task = Task(options.task, options.top_k, options.threshold, options.spacing, options.truncate)
    files, file_format = find_inputs(options.input)
    layout = _layout(options, task, file_format)
    model = find_model(options.model)
    output = Output(options.output)
    plan = make_plan(files, layout, options.chunk_rows)
    committed = output.begin(_recipe(task, layout, model, plan, options.chunk_rows))
    failed = sum(one.failed for one in committed.values())
    rows = sum(one.rows for one in committed.values())
    left = [chunk for chunk in plan.chunks if chunk.number not in committed]
    if not left:
        output.complete()
        print(f"batch: {output.url} is complete: {rows:,} rows, {failed:,} failed", file=sys.stderr)
        return _status(failed)
    if committed:
        print(f"batch: {rows:,} of {plan.rows:,} rows are in {output.url}, continuing", file=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    progress = Progress(plan.rows, rows)
    job = Job(task, layout, model.folder, output.url, options.threads)
    try:
        with progress, connected(options.address, options.workers) as workers:
            signal.signal(signal.SIGTERM, _interrupt)  # again, since Ray sets a handler that exits
            for result in run(left, with_threads(job, options.address), workers):
                rows, failed = rows + result.rows, failed + result.failed
                progress.advance(result.rows)
    except KeyboardInterrupt:
        print(f"batch: {_resume_hint(rows, plan, output)}", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except BatchError as error:
        if rows:
            msg = f"{error}; {_resume_hint(rows, plan, output)}"
            raise BatchError(msg) from error
        raise
    output.complete()
    print(
        f"batch: {rows:,} rows in {output.url}, {failed:,} failed; {progress.elapsed_s:,.1f} s, "
        f"{progress.rate:,.0f} rows/s",
        file=sys.stderr,
    )
    return _status(failed)


def _layout(options: Namespace, task: Task, file_format: Format) -> Layout:
    """Return the columns that the options name, or the task's."""
    question = task.question()
    columns = tuple(options.columns or question.names)
    if file_format == "txt":
        if len(question.names) > 1 or options.columns or options.id_column:
            msg = "a line of a .txt file is a single text without columns; use .jsonl, .csv or .parquet"
            raise BatchError(msg)
        return Layout(file_format, encoding=options.encoding)
    if options.encoding != "utf-8" and file_format == "parquet":
        msg = "--encoding is for text files; a Parquet file has its own"
        raise BatchError(msg)
    optional = () if options.columns else question.optional
    return Layout(file_format, columns, optional, options.id_column, options.encoding)


def _recipe(task: Task, layout: Layout, model: Model, plan: Plan, chunk_rows: int) -> dict[str, object]:
    """Return the input and options of a run as JSON."""
    described = asdict(layout) | {"columns": list(layout.columns), "optional": list(layout.optional)}
    return {
        "task": task.name,
        **{name: value for name, value in asdict(task).items() if name != "name"},
        **described,
        "model": model.digest,
        "chunk_rows": chunk_rows,
        "rows": plan.rows,
        "input": plan.digest,
    }


def _status(failed: int) -> ExitStatus:
    return ExitStatus.SOME_FAILED if failed else ExitStatus.SUCCEEDED


def _resume_hint(rows: int, plan: Plan, output: Output) -> str:
    return f"{rows:,} of {plan.rows:,} rows are in {output.url}; run the same command to continue"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Shut Ray down on SIGTERM as on Ctrl-C."""
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
