"""List the initial label values of counters.

Prometheus's rate() and increase() miss the increment from a series' absence to its first sample, so the first error of
a kind would be invisible. Series that are 0 from the start avoid that.
"""

from collections.abc import Iterator

import bert_mlm_client

from deploy.gateway import paths

_OUTCOMES = ("success", "low_confidence", "failed")
_QUESTION_STATUSES = (200, 400, 401, 408, 413, 415, 422, 429, 499, 500, 501, 502, 503, 504)
_CLASSIFIER_PATHS = (paths.CLASSIFY, paths.TEXT_CLASSIFICATION)
_PAGE_STATUSES = {
    paths.HEALTHZ: (200, 503),
    paths.READYZ: (200, 503),
    paths.METRICS: (200, 401),
    paths.DASHBOARD: (200, 401),
    paths.LOG_LINES: (200, 401),
    paths.PAGE: (200,),
    paths.OTHER: (200, 404),
}
# Errors of this code; the others are the client's.
_OWN_ERRORS = ("AnswerTimeoutError", "ConcurrencyLimitError", "InternalError", "StoppingError")


def tasks() -> tuple[str, ...]:
    """Return the tasks of questions."""
    return tuple(sorted(set(paths.TASKS.values())))


def requests() -> Iterator[tuple[str, str]]:
    """Yield paths and statuses."""
    for path in paths.TASKS:
        yield from ((path, str(status)) for status in _QUESTION_STATUSES)
    yield from ((path, "404") for path in _CLASSIFIER_PATHS)
    for path, statuses in _PAGE_STATUSES.items():
        yield from ((path, str(status)) for status in statuses)


def sentences() -> Iterator[tuple[str, str]]:
    """Yield tasks and outcomes.

    Only filled masks can have a low confidence.
    """
    for task in tasks():
        yield from (
            (task, outcome) for outcome in _OUTCOMES if outcome != "low_confidence" or task == "mask_prediction"
        )


def errors() -> Iterator[tuple[str, str]]:
    """Yield tasks and error types."""
    for task in tasks():
        yield from ((task, error_type) for error_type in sorted((*_OWN_ERRORS, *_client_errors())))


def checks() -> tuple[str, ...]:
    """Return the outcomes of consistency checks."""
    return ("success", "drift", "failed")


def _client_errors() -> list[str]:
    """Return the names of the client's errors."""
    kinds = [getattr(bert_mlm_client, name) for name in bert_mlm_client.__all__]
    return [
        kind.__name__ for kind in kinds if isinstance(kind, type) and issubclass(kind, bert_mlm_client.BertMlmError)
    ]
