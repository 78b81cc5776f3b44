"""Explain requests to a model of another task."""

from collections.abc import Callable

from bert_mlm_client.errors import SignatureNotFoundError
from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.model import Model
from bert_mlm_client.task import FILL_MASK, TEXT_CLASSIFICATION

_WHAT_CLIENT_OTHERS = {
    TEXT_CLASSIFICATION: ("classifies texts and fills no masks", "TextClassifier", "a masked language model"),
    FILL_MASK: ("fills masks and has no labels", "FillMask", "a classifier"),
}
"""What the models of a task do, the client that asks them, and the models of the other task."""


def for_task(task: str, question: Callable[[Model], Exchange[Result]]) -> Callable[[Model], Exchange[Result]]:
    """Return a question that explains a missing signature.

    The error names the model's task. The server decides, since a model may have been replaced by one of another task
    after it was loaded.
    """

    def ask(model: Model) -> Exchange[Result]:
        try:
            return (yield from question(model))
        except SignatureNotFoundError as error:
            if model.task.name == task:
                raise
            raise _other_task(model, error.signature) from error

    return ask


def labels_of(model: Model) -> tuple[str, ...]:
    """Return a classifier's labels in the order of their ids.

    Raises:
        SignatureNotFoundError: the model is not a classifier.
    """
    if not model.task.labels:
        raise _other_task(model, "classify")
    return model.task.labels


def _other_task(model: Model, signature: str | None) -> SignatureNotFoundError:
    found = _WHAT_CLIENT_OTHERS.get(model.task.name)
    if found is None:
        msg = f"the model's task is {model.task.name}, which this client cannot ask; name another model"
        return SignatureNotFoundError(msg, signature=signature)
    what, client, others = found
    msg = f"the model {what}; ask it with {client}, or name {others}"
    return SignatureNotFoundError(msg, signature=signature, option=client)
