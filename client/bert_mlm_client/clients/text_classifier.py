"""Provide the blocking client of classifiers."""

from collections.abc import Sequence
from os import PathLike
from typing import overload

from bert_mlm_client import exchanges
from bert_mlm_client.clients.blocking import BlockingClient
from bert_mlm_client.clients.classify_question import classify_question, is_single
from bert_mlm_client.results import Classification
from bert_mlm_client.task import TEXT_CLASSIFICATION
from bert_mlm_client.texts import Classifiable
from bert_mlm_client.transport import Retry, Transport


class TextClassifier(BlockingClient):
    """Query a text classifier on TensorFlow Serving.

    A client is thread-safe. A forked process opens its own connections.

    Args:
        url: the address, several of them, or a transport, as for `FillMask`.
        model: the model's name on the server.
        version: its version, or None for the latest.
        vocab: the path of the model's vocab.txt, which is compared with the server's; None fetches it from the server.
        timeout: the seconds to wait for the answer to a request.
        retry: the retry policy; None for no retries.

    Raises:
        InputError: the address is invalid, or the timeout is not positive.

    Example:
        >>> with TextClassifier("grpc://127.0.0.1:8500", model="genre") as client:
        ...     client.classify("床前明月光，疑是地上霜。")
        [Classification(label='tang_poem', score=…)]
    """

    _task = TEXT_CLASSIFICATION

    def __init__(
        self,
        url: str | Sequence[str] | Transport,
        model: str,
        version: int | None = None,
        vocab: str | PathLike[str] | None = None,
        timeout: float = 10.0,
        *,
        retry: Retry | None = Retry(),  # noqa: B008  frozen, so that all may share it
    ) -> None:
        super().__init__(url, model, version, vocab, timeout, retry=retry)

    @overload
    def classify(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self, texts: Classifiable, top_k: int | None = 1, *, truncate: bool = False, timeout: float | None = None
    ) -> list[Classification]: ...
    @overload
    def classify(
        self,
        texts: Sequence[Classifiable],
        top_k: int | None = 1,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Classification]]: ...
    def classify(
        self,
        texts: Classifiable | Sequence[Classifiable],
        top_k: int | None = 1,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Classification] | list[list[Classification]]:
        """Return the best labels of each text or text pair.

        Args:
            texts: a text, or for a model that was trained on pairs a `TextPair` or Hugging Face's ``{"text": …,
                "text_pair": …}``; or several of them.
            top_k: the maximum number of labels; None for all.
            truncate: truncate a text that is too long for the model at the end, of a pair the longer text first.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            Labels with their scores, best first; for several texts a list of such lists, in their order.

        Raises:
            InputError: a text or top_k is invalid, or the model reads pairs and this is a text, or the reverse.
            SignatureNotFoundError: the model is not a classifier.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        answers = self._ask(classify_question(texts, top_k, truncate=truncate), timeout)
        return answers[0] if is_single(texts) else answers

    def labels(self, *, timeout: float | None = None) -> tuple[str, ...]:
        """Return the model's labels in the order of their ids.

        They are fetched on the first call and when a new version answers.

        Raises:
            SignatureNotFoundError: the model is not a classifier.
        """
        state = self._load_state(timeout)
        with self._located():
            return exchanges.labels_of(state.model)
