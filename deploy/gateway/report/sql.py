"""Define the SQL statements of the report.

The files are read once, into a table of the needed fields (https://duckdb.org/docs/stable/data/json/loading_json).
"""

COLUMNS = {
    "timestamp": "TIMESTAMP",
    "module": "VARCHAR",
    "task": "VARCHAR",
    "status": "VARCHAR",
    "sample_rate": "DOUBLE",
    "batch_size": "INTEGER",
    "characters": "INTEGER",
    "status_code": "INTEGER",
    "total_time_ms": "DOUBLE",
    "inference_time_ms": "DOUBLE",
    "error_type": "VARCHAR",
    "error": "VARCHAR",
    "process": "VARCHAR",
    "cpu_percent": "DOUBLE",
    "memory_mb": "DOUBLE",
    "gpu_memory_mb": "DOUBLE",
    "gpu_utilization_percent": "DOUBLE",
    "value": "DOUBLE",
    "threshold": "DOUBLE",
    "lost_lines": "BIGINT",
    "model_name": "VARCHAR",
    "model_version": "INTEGER",
    "load_time_ms": "DOUBLE",
    "device": "VARCHAR",
}
"""The log fields that the report reads."""

# The needed fields of a line, all NULL for an incomplete line or one that is not a JSON object. Fields of few lines are
# in a list, as a column of NULLs takes as much memory as one of values.
_KEPT = """
SELECT
    CAST(epoch_ms(timestamp) // 60000 AS INTEGER) AS minute,
    coalesce(task, 'unknown') AS task,
    CASE WHEN module = 'inference' THEN status END AS outcome,
    CASE WHEN sample_rate > 0 AND sample_rate <= 1 THEN 1 / sample_rate ELSE 1 END AS sentences,
    sentences / greatest(batch_size, 1) AS requests,
    characters,
    total_time_ms AS total,
    inference_time_ms AS inference,
    CASE WHEN timestamp IS NOT NULL AND (module IS DISTINCT FROM 'inference' OR status = 'failed') THEN [{
        time: timestamp,
        module: module,
        status: status,
        status_code: status_code,
        error_type: left(coalesce(error_type, CASE WHEN status = 'failed' THEN task END), 100),
        error: left(error, 300),
        lost_lines: lost_lines,
        process: process,
        cpu_percent: cpu_percent,
        memory_mb: memory_mb,
        gpu_memory_mb: gpu_memory_mb,
        gpu_utilization_percent: gpu_utilization_percent,
        value: value,
        threshold: threshold,
        model_name: left(model_name, 100),
        model_version: model_version,
        load_time_ms: load_time_ms,
        device: left(device, 100)
    }] END AS event
FROM read_json(
    $files,
    format = 'newline_delimited',
    compression = $compression,
    ignore_errors = true,
    columns = $columns
)
WHERE timestamp IS NULL OR (timestamp >= $since AND timestamp < $until)
"""

CREATE = "CREATE TEMP TABLE line AS" + _KEPT
LOAD = "INSERT INTO line" + _KEPT

EVENT = """
CREATE TEMP TABLE event AS
SELECT minute, task, requests, unnest(event, max_depth := 2) FROM line WHERE event IS NOT NULL
"""

# Buckets and days are in the report's zone and computed in Python; each minute with a line is assigned to them.
PLACE = """
CREATE TEMP TABLE place AS
WITH
    minutes AS (SELECT DISTINCT minute FROM line WHERE minute IS NOT NULL),
    buckets AS (SELECT unnest($buckets) AS start, unnest(range(len($buckets))) AS bucket),
    days AS (SELECT unnest($days) AS start, unnest(range(len($days))) AS day)
SELECT minute, bucket, day
FROM minutes
ASOF JOIN buckets ON minutes.minute >= buckets.start
ASOF JOIN days ON minutes.minute >= days.start
"""

CALL = """
CREATE TEMP TABLE call AS
SELECT minute, task, outcome, sum(requests) AS requests, sum(sentences) AS sentences,
       sum(characters * sentences) AS characters
FROM line
WHERE outcome IN ('success', 'low_confidence', 'failed')
GROUP BY ALL
"""

LINES = "SELECT count(minute), count(*) - count(minute) FROM line"

EVENTS = """
SELECT
    coalesce(sum(lost_lines), 0)::BIGINT,
    count(*) FILTER (status = 'drift'),
    count(*) FILTER (module = 'alert' AND status = 'firing')
FROM event
"""

# The workbench sends an explanation after each answer by itself: it is not one more question of its user.
TOTALS = """
WITH
    question AS (SELECT * FROM call WHERE task <> 'explanation'),
    explained AS (SELECT coalesce(round(sum(requests), 6), 0) AS requests FROM call WHERE task = 'explanation')
SELECT
    coalesce(round(sum(requests), 6), 0),
    coalesce(round(sum(sentences), 6), 0),
    coalesce(sum(sentences) FILTER (outcome = 'success'), 0) / sum(sentences),
    coalesce(sum(sentences) FILTER (outcome = 'low_confidence'), 0) / sum(sentences),
    coalesce(sum(sentences) FILTER (outcome = 'failed'), 0) / sum(sentences),
    (SELECT requests FROM explained),
    coalesce(round(sum(characters), 6), 0)
FROM question
"""

BUSIEST = """
SELECT minute, round(sum(requests), 6) AS all_requests
FROM call WHERE task <> 'explanation' GROUP BY minute ORDER BY all_requests DESC, minute LIMIT 1
"""

SAMPLED = "SELECT coalesce(bool_or(sentences > 1), false) FROM line"

ANSWERED = """
CREATE TEMP VIEW answered AS
SELECT bucket, task, sentences, total, inference
FROM line JOIN place USING (minute)
WHERE outcome IN ('success', 'low_confidence') AND total IS NOT NULL
"""

# Run four times, by bucket and task or neither: GROUPING SETS would hold every value four times. All tasks together are
# without explanations, as the requests are.
LATENCY = """
SELECT
    CASE WHEN $by_bucket THEN bucket END AS bucket,
    CASE WHEN $by_task THEN task END AS task,
    count(*),
    avg(total),
    avg(inference),
    quantile_cont(total, [0.5, 0.95, 0.99])
FROM answered
WHERE $by_task OR task <> 'explanation'
GROUP BY ALL
ORDER BY 1, 2
"""

# Only successes are sampled, so without weights a sampled log would overstate the latency of other outcomes. Each line
# has the weight of the sentences it stands for; if all weights are 1, this is quantile_cont.
WEIGHTED_QUANTILE = """
CREATE TEMP MACRO weighted_quantile(value, up_to, sum_of_weights, p) AS
    min(value) FILTER (up_to > floor((sum_of_weights - 1) * p))
    + (coalesce(min(value) FILTER (up_to > floor((sum_of_weights - 1) * p) + 1), max(value))
        - min(value) FILTER (up_to > floor((sum_of_weights - 1) * p)))
    * any_value((sum_of_weights - 1) * p - floor((sum_of_weights - 1) * p))
"""

SAMPLED_LATENCY = """
WITH
    duration AS (
        SELECT
            CASE WHEN $by_bucket THEN bucket END AS bucket,
            CASE WHEN $by_task THEN task END AS task,
            total,
            count(*) AS lines,
            sum(sentences) AS weight,
            sum(inference * sentences) AS inference,
            sum(sentences) FILTER (inference IS NOT NULL) AS inference_weight
        FROM answered
        WHERE $by_task OR task <> 'explanation'
        GROUP BY ALL
    ),
    ranked AS (
        SELECT
            *,
            sum(weight) OVER (PARTITION BY bucket, task) AS whole,
            sum(weight) OVER (PARTITION BY bucket, task ORDER BY total ROWS UNBOUNDED PRECEDING) AS up_to
        FROM duration
    )
SELECT
    bucket,
    task,
    sum(lines)::BIGINT,
    sum(total * weight) / sum(weight),
    sum(inference) / sum(inference_weight),
    [
        weighted_quantile(total, up_to, whole, 0.5),
        weighted_quantile(total, up_to, whole, 0.95),
        weighted_quantile(total, up_to, whole, 0.99)
    ]
FROM ranked
GROUP BY bucket, task
ORDER BY bucket, task
"""

OVER_TIME = """
SELECT bucket, task, outcome, round(sum(requests), 6), round(sum(sentences), 6)
FROM call JOIN place USING (minute) GROUP BY ALL ORDER BY ALL
"""

BY_DAY = """
SELECT day, task, outcome, round(sum(requests), 6), round(sum(sentences), 6)
FROM call JOIN place USING (minute) GROUP BY ALL ORDER BY ALL
"""

ERRORS = """
SELECT
    error_type,
    round(sum(requests), 6) AS count,
    sum(requests) / sum(sum(requests)) OVER (),
    max(time),
    arg_max(error, time)
FROM event WHERE error_type IS NOT NULL AND status IS DISTINCT FROM 'refused'
GROUP BY error_type ORDER BY count DESC, error_type
"""

# Refused requests are neither calls nor failures of calls.
REFUSED = """
SELECT coalesce(error_type, 'unknown'), status_code, round(sum(requests), 6) AS count, max(time), arg_max(error, time)
FROM event WHERE status = 'refused'
GROUP BY 1, 2 ORDER BY count DESC, 1, 2
"""

RESOURCES = """
SELECT bucket, coalesce(process, 'unknown'), avg(cpu_percent), max(cpu_percent), avg(memory_mb), max(memory_mb),
       avg(gpu_memory_mb), avg(gpu_utilization_percent)
FROM event JOIN place USING (minute) WHERE module = 'resource' GROUP BY ALL ORDER BY 1, 2
"""

ALERTS = """
SELECT task, count(*) FILTER (status = 'firing'), count(*) FILTER (status = 'resolved'),
       max(time) AS last_seen, arg_max(status, time), arg_max(value, time), arg_max(threshold, time)
FROM event WHERE module = 'alert' GROUP BY task ORDER BY last_seen DESC, task
"""

CONSISTENCY = """
SELECT model_name, model_version, count(*), count(*) FILTER (status = 'drift'), count(*) FILTER (status = 'failed'),
       max(time) AS last_seen, arg_max(status, time), arg_max(value, time), max(value), arg_max(threshold, time)
FROM event WHERE module = 'canary' GROUP BY model_name, model_version
ORDER BY last_seen DESC, model_name, model_version
"""

DRIFT = """
SELECT bucket, max(value), arg_max(threshold, time)
FROM event JOIN place USING (minute)
WHERE module = 'canary' AND value IS NOT NULL GROUP BY bucket ORDER BY bucket
"""

# The consistency check writes a line every few minutes, of which only changes are events. Other lines are all events.
LATEST_EVENTS = """
WITH candidate AS (
    SELECT *, lag(status, 1, 'success') OVER (PARTITION BY module, model_name, model_version ORDER BY time) AS before
    FROM event
    WHERE module IN ('alert', 'canary', 'device', 'loading') OR task = 'lost_lines'
)
SELECT time, module, task, status, model_name, model_version, device, load_time_ms, value, threshold, lost_lines, error
FROM candidate
WHERE status <> 'start' AND (module <> 'canary' OR status <> before)
ORDER BY time DESC, module, task
LIMIT $most
"""
