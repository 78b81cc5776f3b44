"""Test batching in a server process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def test_a_server_batches_half_plus_two(start: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    path = tmp_path / "batching.config"
    path.write_text(
        "max_batch_size { value: 4 } batch_timeout_micros { value: 500 } allowed_batch_sizes: [2, 4]\n"
        "max_enqueued_batches { value: 100 } num_batch_threads { value: 2 } thread_pool_name { value: 'half' }\n"
    )
    server = start(
        "--model_name=half",
        f"--model_base_path={models / 'half'}",
        "--enable_batching",
        f"--batching_parameters_file={path}",
    )
    server.wait_for("half")
    with ThreadPoolExecutor(8) as threads:
        asked = [[[float(n)], [float(n + 1)]] for n in range(40)]
        answers = list(threads.map(lambda rows: server.predict("half", {"instances": rows}), asked))
    for rows, answer in zip(asked, answers, strict=True):
        assert answer.status == 200
        assert answer.json == {"predictions": [[value / 2 + 2] for (value,) in rows]}
    answer = server.predict("half", {"instances": [[1.0]] * 5})
    assert (answer.status, answer.error) == (400, "Task size 5 is larger than maximum input batch size 4")
    status, log = server.stop()
    assert (status, "Traceback" in log, "have no effect" in log) == (0, False, False), log


def test_a_batching_parameters_file_that_is_wrong_stops_the_start(
    runner: Callable[..., Any], models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "batching.config"
    path.write_text("max_batch_size { value: 4 } allowed_batch_sizes: 3")
    done = runner(f"--model_base_path={models / 'half'}", "--enable_batching", f"--batching_parameters_file={path}")
    assert done.returncode == 255
    assert done.stdout == (
        "Failed to start server. Error: Last entry in allowed_batch_sizes must match max_batch_size; last entry was 3; "
        "expected 4\n"
    )
