"""Record every sentence in log and metrics."""

import asyncio
import logging
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Literal, Protocol

from bert_mlm_client import BertMlmError, InputError, ProtocolError

from deploy.gateway import paths
from deploy.gateway.context import RequestContext, current
from deploy.gateway.errors import ApiError, status_of
from deploy.gateway.log.lines import Inference, InferenceTask, Level, Line, RefusedRequest, UnhandledException
from deploy.gateway.log.resources import Resources
from deploy.gateway.model.served import ServedModel
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.telemetry.metrics import Metrics

REJECTIONS_INTERVAL_S = 1.0
"""The interval over which rejected requests are aggregated in one line, so that an overload does not flood the log."""

logger = logging.getLogger(__name__)


class Log(Protocol):
    """A log that takes lines."""

    def write(self, line: Line) -> None:
        """Queue a line without waiting for the disk."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best answer to a sentence and its score.

    Attributes:
        characters: the number of characters that were proofread; None for other tasks.
    """

    token: str | None = None
    score: float | None = None
    characters: int | None = None


@dataclass(slots=True)
class Question:
    """The question of a request.

    Attributes:
        task: the inference task.
        texts: the sentences.
        answers: the best answer to each, set by the endpoint.
    """

    task: InferenceTask
    texts: Sequence[str]
    answers: Sequence[Best] = field(default=())


class Recorder:
    """Record questions and their outcomes.

    Args:
        log: takes the lines.
        metrics: counts the sentences.
        model_name: the model's name.
        watch: the source of the newest version, for questions without an answer and for answers without a version.
        classifier: the model of text_classification; None without one.
        low_confidence: the score below which a filled mask has low confidence.
        resources: returns the resource use, for the GPU memory; None before the first reading.
        observe: receives every line, for alerts.
    """

    def __init__(
        self,
        log: Log,
        metrics: Metrics,
        *,
        model_name: str,
        watch: ModelWatch,
        low_confidence: float,
        classifier: ServedModel | None = None,
        resources: Callable[[], Resources | None] = lambda: None,
        observe: Callable[[Inference | UnhandledException], object] = lambda _line: None,
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._model = ServedModel(model_name, watch)
        self._classifier = classifier
        self._low_confidence = low_confidence
        self._resources = resources
        self._observe = observe
        self._rejected: dict[tuple[str, int, str], tuple[Inference | RefusedRequest, int]] = {}

    @contextmanager
    def question(self, task: InferenceTask, texts: Sequence[str]) -> Iterator[Question]:
        """Record a question with its answers or error.

        The block sets the answers, which are recorded after the response is sent.
        """
        context = current.get() or RequestContext.of(())
        context.ask()
        question = Question(task, texts)
        self._metrics.batch_size(task).observe(len(texts))
        try:
            yield question
            _check_answers(question)
        except asyncio.CancelledError:
            context.on_cancelled = partial(self._failed, question, context)
            raise
        except Exception as error:
            self._failed(question, context, error)
            raise
        context.after_response.append(partial(self._answered, question, context, perf_counter() - context.began))

    def rejected(self, path: str, error: ApiError) -> None:
        """Record a request rejected before its question was asked.

        A question rejected for overload (429) is a failed call of one sentence; any other refused request is not a
        call. For each path, status and error type, one line a second is written: that of the first request, with the
        number of requests in its sample rate.

        Args:
            path: the path's label, so that callers cannot make further kinds.
            error: the answer.
        """
        task = paths.TASKS.get(path)
        if task is not None and error.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._metrics.sentences(task, "failed").inc()
            self._metrics.errors(task, error.error_type).inc()
        if not self._rejected:
            asyncio.get_running_loop().call_later(REJECTIONS_INTERVAL_S, self.write_rejected)
        kind = (path, error.status, error.error_type)
        line, count = self._rejected.get(kind) or (self._rejection(path, error), 0)
        self._rejected[kind] = line, count + 1

    def write_rejected(self) -> None:
        """Write lines for the requests rejected since the last call."""
        for line, count in self._rejected.values():
            self._log.write(replace(line, sample_rate=1 / count if count > 1 else None))
        self._rejected.clear()

    def unhandled(self, error: Exception) -> None:
        """Record an unhandled exception of the gateway."""
        context = current.get()
        logger.error("A request failed with an unhandled exception.", exc_info=error)
        line = UnhandledException(
            request_id=context.request_id if context else None,
            trace_id=context.trace_id if context else None,
            path=context.path if context else None,
            status_code=(context.status_code or status_of(error)) if context else None,
            error_type=type(error).__name__,
            error=str(error),
            traceback="".join(traceback.format_exception(error)),
        )
        self._log.write(line)
        self._observe(line)

    def _rejection(self, path: str, error: ApiError) -> Inference | RefusedRequest:
        context = current.get() or RequestContext.of(())
        total_time_ms = (perf_counter() - context.began) * 1000
        task = paths.TASKS.get(path)
        if task is None or error.status != HTTPStatus.TOO_MANY_REQUESTS:
            return RefusedRequest(
                request_id=context.request_id,
                trace_id=context.trace_id,
                path=path,
                status_code=error.status,
                total_time_ms=total_time_ms,
                error_type=error.error_type,
                error=error.message,
            )
        return Inference(
            level=_level(error),
            task=task,
            status="failed",
            request_id=context.request_id,
            trace_id=context.trace_id,
            path=path,
            status_code=error.status,
            model_name=self._model_of(task).name,
            total_time_ms=total_time_ms,
            error_type=error.error_type,
            error=error.message,
        )

    def _answered(self, question: Question, context: RequestContext, total_s: float) -> None:
        stages = {
            "queue": context.queue_s,
            "tokenize": context.tokenize_s or 0.0,
            "inference": context.inference_s,
            "total": total_s,
        }
        for stage, seconds in stages.items():
            self._metrics.stage(question.task, stage).observe(seconds, _exemplar(context) if stage == "total" else None)
        for text, best in zip(question.texts, question.answers, strict=True):
            status = self._status(question.task, best)
            self._metrics.sentences(question.task, status).inc()
            if best.score is not None:
                self._metrics.confidence(question.task).observe(best.score)
            self._write(question, context, text, total_s, status=status, best=best)

    def _failed(self, question: Question, context: RequestContext, error: Exception) -> None:
        context.abandon()
        total_s = perf_counter() - context.began
        count = len(question.texts)
        self._metrics.sentences(question.task, "failed").inc(count)
        known = isinstance(error, BertMlmError | ApiError)
        self._metrics.errors(question.task, _error_type(error) if known else "InternalError").inc(count)
        for text in question.texts:
            self._write(question, context, text, total_s, status="failed", error=error)

    def _model_of(self, task: InferenceTask) -> ServedModel:
        return self._classifier if self._classifier and task == "text_classification" else self._model

    def _status(self, task: InferenceTask, best: Best) -> Literal["success", "low_confidence"]:
        is_low = task == "mask_prediction" and best.score is not None and best.score < self._low_confidence
        return "low_confidence" if is_low else "success"

    def _write(
        self,
        question: Question,
        context: RequestContext,
        text: str,
        total_s: float,
        *,
        status: Literal["success", "low_confidence", "failed"],
        best: Best = Best(),
        error: Exception | None = None,
    ) -> None:
        model = self._model_of(question.task)
        was_sent = context.tokenize_s is not None
        used = self._resources()
        line = Inference(
            level=_level(error),
            task=question.task,
            status=status,
            request_id=context.request_id,
            trace_id=context.trace_id,
            path=context.path,
            status_code=status_of(error) if error else context.status_code,
            model_name=model.name,
            model_version=model.watch.version if context.model_version is None else context.model_version,
            batch_size=len(question.texts),
            input_text=text,
            predicted_token=best.token,
            score=best.score,
            characters=best.characters,
            inference_time_ms=context.inference_s * 1000 if was_sent else None,
            tokenize_time_ms=(context.tokenize_s or 0.0) * 1000 if was_sent else None,
            total_time_ms=total_s * 1000,
            gpu_memory_mb=used.gpu_memory_mb if used else None,
            error_type=_error_type(error) if error else None,
            error=str(error) if error else None,
        )
        self._log.write(line)
        self._observe(line)


def _check_answers(question: Question) -> None:
    """Reject NaN and infinite scores.

    Raises:
        ProtocolError: a score is infinite or NaN, which only a damaged model returns.
    """
    for _, best in zip(question.texts, question.answers, strict=True):
        if best.score is not None and not math.isfinite(best.score):
            msg = f"the model answered with the score {best.score}; check the served version"
            raise ProtocolError(msg)


def _level(error: Exception | None) -> Level | None:
    """Return WARNING for callers' errors and cancelled requests.

    Only our own failures are ERRORs, which alert.
    """
    return "WARNING" if isinstance(error, InputError | ApiError) else None


def _error_type(error: Exception) -> str:
    return error.error_type if isinstance(error, ApiError) else type(error).__name__


def _exemplar(context: RequestContext) -> dict[str, str]:
    ids = {"request_id": context.request_id}
    return {"trace_id": context.trace_id, **ids} if context.trace_id else ids
