"""Generate realistic log lines for tests and measurements.

``python -m tests.deploy.gateway.report.generate --lines 1000000 --folder build/report-log``
"""

import argparse
import gzip
import json
import os
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

Line = dict[str, Any]

# task, share of the requests, milliseconds of the model server for one sentence
TASKS = (
    ("mask_prediction", 0.72, 9.0),
    ("token_scoring", 0.08, 9.5),
    ("semantic_similarity", 0.12, 7.0),
    ("feature_extraction", 0.04, 6.0),
    ("text_classification", 0.04, 6.5),
)
BATCH_SIZES = ((1, 0.82), (2, 0.06), (8, 0.08), (32, 0.04))
ERRORS = (
    ("DeadlineExceeded", "grpc://127.0.0.1:8500: model bert_mlm did not answer within 10 s"),
    ("Unavailable", "grpc://127.0.0.1:8500: connection refused; is the server running?"),
    ("NoMaskError", "the text has no [MASK]: 今天天气真好"),
    ("TextTooLong", "the text has 1,204 tokens, and the model takes 512"),
)
SENTENCES = (
    "床前明月光，疑是地[MASK]霜。",
    "今天天气真[MASK]啊，适合出去玩，我们约了几个朋友一起去公园散步，晚上再去吃火锅。",
    "中国的首都是[MASK]京。",
    "他做事总是半[MASK]而废，老师说要坚持到底，不能遇到一点困难就放弃。",
    "联系电话138****5678，请尽快回[MASK]，收货地址在北京市海淀区中关村大街**号。",
    "这家餐厅的服务态度很[MASK]，菜的味道也不错，下次还会再来，推荐给大家。",
)
DRIFT = (0.7, 0.78)
"""From when to when the answers drift, as shares of the range."""

TOKENS = "上好北途复错大人学生天地"


def log_lines(count: int, start: datetime, end: datetime, *, seed: int = 1, sample_rate: float = 1.0) -> Iterator[Line]:
    """Yield ``count`` inference lines and other lines in chronological order.

    Traffic follows the day, answers slow down under load, failures come in bursts, and the gateway is down for a
    while in the middle of the range.
    """
    return merge(
        _inference(count, start, end, seed, sample_rate),
        _resources(start, end, seed),
        _events(start, end),
        _checks(start, end, seed),
        key=lambda line: str(line["timestamp"]),
    )


def write(lines: Iterable[Line], path: Path) -> None:
    """Write lines to a file, gzipped if its name says so; it is as old as its last line."""
    opener = gzip.open if path.suffix == ".gz" else open
    last = ""
    with opener(path, "wt", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            last = line["timestamp"]
    if last:
        seconds = datetime.fromisoformat(last).timestamp() + 1
        os.utime(path, (seconds, seconds))


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _inference(count: int, start: datetime, end: datetime, seed: int, sample_rate: float) -> Iterator[Line]:
    rng = np.random.default_rng(seed)
    choose = random.Random(seed)
    sizes = rng.choice([size for size, _ in BATCH_SIZES], count, p=[share for _, share in BATCH_SIZES])
    times = _times(rng, count, start, end)
    tasks = rng.choice(len(TASKS), count, p=[share for _, share, _ in TASKS])
    slowness = rng.lognormal(0.0, 0.35, count)
    fates = rng.random((count, 3))
    written = request = 0
    while written < count:
        task, _, base_ms = TASKS[tasks[request]]
        size = int(min(sizes[request], count - written))
        hour = times[written] % 86400 / 3600
        burst = 0.25 if 9.0 <= hour < 9.2 else 0.002
        inference_ms = base_ms * size**0.7 * slowness[request] * (8 if fates[request, 0] < 0.01 else 1)
        tokenize_ms = 0.15 * size * slowness[request]
        shared: Line = {
            "request_id": f"{choose.getrandbits(128):032x}",
            "trace_id": f"{choose.getrandbits(128):032x}",
            "model_name": "bert_mlm",
            "model_version": 1,
            "batch_size": size,
        }
        failed = fates[request, 1] < burst
        for _ in range(size):
            low = not failed and fates[written, 2] < 0.05
            line: Line = {
                "timestamp": timestamp(times[written]),
                "level": "ERROR" if failed else "WARNING" if low else "INFO",
                "module": "inference",
                "task": task,
                "status": "failed" if failed else "low_confidence" if low else "success",
                **shared,
                "input_text": choose.choice(SENTENCES),
            }
            if not failed:
                line["predicted_token"] = choose.choice(TOKENS)
                line["score"] = round(choose.uniform(0, 0.1) if low else choose.uniform(0.1, 1), 6)
                line["inference_time_ms"] = round(inference_ms, 3)
                line["tokenize_time_ms"] = round(tokenize_ms, 3)
            line["total_time_ms"] = round(10_000.0 if failed else inference_ms + tokenize_ms + 1.1, 3)
            line["gpu_memory_mb"] = 0
            if failed:
                line["error_type"], line["error"] = ERRORS[int(fates[request, 0] * len(ERRORS))]
            elif sample_rate < 1 and not low:
                line["sample_rate"] = sample_rate
            yield line
            written += 1
        request += 1


def _times(rng: np.random.Generator, count: int, start: datetime, end: datetime) -> Any:
    """Return sorted times: most at noon (UTC), a quarter of that at midnight, none while the gateway is down."""
    begin, length = start.timestamp(), (end - start).total_seconds()
    grid = begin + np.linspace(0, length, 2000)
    density = 1 - 0.6 * np.cos(grid % 86400 / 86400 * 2 * np.pi)
    density[(grid >= begin + 0.5 * length) & (grid < begin + 0.54 * length)] = 0
    reached = np.cumsum(density)
    return np.sort(np.interp(rng.random(count) * reached[-1], reached, grid)).clip(begin, end.timestamp() - 0.001)


def _resources(start: datetime, end: datetime, seed: int) -> Iterator[Line]:
    rng = np.random.default_rng(seed + 1)
    length = (end - start).total_seconds()
    for second in range(0, int(length), 30):
        if 0.5 * length <= second < 0.54 * length:
            continue
        moment = start.timestamp() + second
        load = 1 - 0.6 * np.cos(moment % 86400 / 86400 * 2 * np.pi)
        uses = (("gateway", 4101, 11 * load, 96.0), ("server", 4077, 75 * load, 610 + second / length * 40))
        for process, pid, cpu, memory in uses:
            yield {
                "timestamp": timestamp(moment),
                "level": "INFO",
                "module": "resource",
                "task": "resource_usage",
                "status": "active",
                "process": process,
                "pid": pid,
                "cpu_percent": round(cpu * rng.uniform(0.7, 1.3), 1),
                "memory_mb": round(memory + rng.uniform(0, 4), 1),
                "gpu_memory_mb": round(2100 + 300 * load + rng.uniform(0, 40)) if process == "server" else 2100,
                "gpu_utilization_percent": round(30 * load),
            }


def _events(start: datetime, end: datetime) -> Iterator[Line]:
    length = (end - start).total_seconds()

    def event(share: float, level: str, module: str, task: str, status: str, **fields: Any) -> Line:
        moment = timestamp(start.timestamp() + share * length)
        return {"timestamp": moment, "level": level, "module": module, "task": task, "status": status, **fields}

    yield event(
        0, "INFO", "loading", "model_load", "success", model_name="bert_mlm", model_version=1, load_time_ms=812.4
    )
    yield event(0.01, "INFO", "device", "gpu_status", "active", device="GPU 0", gpu_memory_mb=2100)
    yield event(0.3, "WARNING", "device", "gpu_status", "cpu_fallback", device="cpu", error="GPU is lost")
    yield event(0.301, "WARNING", "alert", "gpu_lost", "firing", value=1, threshold=1)
    yield event(0.34, "INFO", "device", "gpu_status", "active", device="GPU 0", gpu_memory_mb=2100)
    yield event(0.341, "INFO", "alert", "gpu_lost", "resolved", value=0, threshold=1)
    yield event(0.38, "WARNING", "alert", "mean_latency", "firing", value=612.5, threshold=500)
    yield event(0.4, "INFO", "alert", "mean_latency", "resolved", value=211.0, threshold=500)
    crash = {
        "error_type": "ValueError",
        "error": "<script>alert('嵌入')</script>\u001b[31m & \u202e反",
        "request_id": "f" * 32,
    }
    yield event(0.45, "ERROR", "system", "unhandled_exception", "failed", **crash)
    yield event(0.56, "ERROR", "system", "lost_lines", "failed", lost_lines=17, error="No space left on device")
    broken = {"model_version": 2, "error_type": "INVALID_ARGUMENT", "error": "saved_model.pb is cut off"}
    yield event(0.62, "ERROR", "loading", "model_load", "failed", model_name="bert_mlm", **broken)
    slow = {"model_version": 3, "load_time_ms": 75_210.4, "threshold": 60_000}
    yield event(0.64, "INFO", "loading", "model_load", "start", model_name="bert_mlm", model_version=3)
    yield event(0.65, "WARNING", "loading", "model_load", "success", model_name="bert_mlm", **slow)
    yield event(DRIFT[0] + 0.005, "WARNING", "alert", "output_drift", "firing", value=0.21, threshold=0.05)


def _checks(start: datetime, end: datetime, seed: int) -> Iterator[Line]:
    """Yield the consistency check's lines, every five minutes; for a while the answers are far from the baseline."""
    choose = random.Random(seed)
    length = (end - start).total_seconds()
    for second in range(60, int(length), 300):
        share = second / length
        if 0.5 <= share < 0.54:
            continue
        drifts = DRIFT[0] <= share < DRIFT[1]
        yield {
            "timestamp": timestamp(start.timestamp() + second),
            "level": "WARNING" if drifts else "INFO",
            "module": "canary",
            "task": "output_consistency",
            "status": "drift" if drifts else "success",
            "model_name": "bert_mlm",
            "model_version": 1,
            "total_time_ms": round(choose.uniform(150, 220), 1),
            "value": round(choose.uniform(0.18, 0.24) if drifts else choose.uniform(0.001, 0.004), 6),
            "threshold": 0.05,
        }


def main() -> None:
    """Write a folder with a current file and rotated ones, the older ones optionally gzipped."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--gzip", action="store_true", help="gzip all but the newest two, as logrotate does")
    parser.add_argument("--sample-rate", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    end = datetime.now(UTC)
    start = end - timedelta(hours=options.hours)
    every = -(-options.lines // options.files)
    lines = log_lines(options.lines, start, end, sample_rate=options.sample_rate)
    for number in range(options.files - 1, -1, -1):
        name = f"gateway.log.{number}" if number else "gateway.log"
        name += ".gz" if options.gzip and number > 1 else ""
        write(_take(lines, every if number else options.lines), options.folder / name)


def _take(lines: Iterator[Line], inference: int) -> Iterator[Line]:
    """Yield lines until this many inference lines were among them."""
    for line in lines:
        yield line
        inference -= line["module"] == "inference"
        if not inference:
            return


if __name__ == "__main__":
    main()
