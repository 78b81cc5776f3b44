"""The blocking client."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from types import TracebackType
from typing import NamedTuple, Self, overload

from bert_mlm_client import exchanges
from bert_mlm_client.base_client import (
    BaseClient,
    check_moved,
    choose_question,
    explain_question,
    fill_question,
    listed,
    pairs_of,
    versions_of,
)
from bert_mlm_client.drive import drive
from bert_mlm_client.exchanges import Exchange, Known, Method, Result, Words, check_candidates, check_texts
from bert_mlm_client.in_flight import MAX_IN_FLIGHT, send_all
from bert_mlm_client.results import Explanation, Features, Filling, ModelStatus, Prediction, Similarity
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Answer, Request, Retry, Transport, open_transport


class _Home(NamedTuple):
    """What a client has in one process; in one that was forked from it, the threads are missing and locks may be held.

    Attributes:
        process: the process's id.
        workers: send several requests at once.
        loading: is held while the vocabulary is fetched.
    """

    process: int
    workers: ThreadPoolExecutor
    loading: threading.Lock

    @classmethod
    def here(cls) -> Self:
        """Make what this process needs."""
        return cls(os.getpid(), ThreadPoolExecutor(MAX_IN_FLIGHT, "bert-mlm"), threading.Lock())


class FillMask(BaseClient):
    """Ask a masked language model on TensorFlow Serving.

    Threads may share one client. A process that is forked from one with a client opens its own connections.

    Args:
        url: grpc://host:port, grpcs://host:port, http://host:port or https://host:port; or several of them, which share
            the work and stand in for each other; or a transport, say one that answers in this process.
        model: the model's name on the server.
        version: its version, or None for the latest.
        vocab: the path of the model's vocab.txt, which is compared with the server's; None fetches it from the server.
        timeout: how many seconds to wait for the answer to a request.
        retry: when and how often to ask again; None: never.

    Raises:
        InputError: the address is none of these, or the timeout is not positive.

    Example:
        >>> with FillMask("grpc://127.0.0.1:8500") as client:
        ...     client.fill("中国的首[MASK]是北京。", top_k=1)
        [Prediction(score=0.99, token=6963, token_str='都', sequence='中国的首都是北京。')]
    """

    def __init__(
        self,
        url: str | Sequence[str] | Transport,
        model: str = "bert_mlm",
        version: int | None = None,
        vocab: str | PathLike[str] | None = None,
        timeout: float = 10.0,
        *,
        retry: Retry | None = Retry(),  # noqa: B008  frozen, so that all may share it
    ) -> None:
        super().__init__(url, model, version, vocab, timeout)
        self._transport = open_transport(url, model=model, version=version, retry=retry)
        self._home = _Home.here()

    @overload
    def fill(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Prediction]: ...
    @overload
    def fill(
        self,
        texts: Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Prediction]]: ...
    def fill(
        self,
        texts: str | Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
        joint: object = None,
        targets: object = None,
    ) -> list[Prediction] | list[list[Prediction]]:
        """Return the best tokens for the mask of each text.

        Args:
            texts: a text with one [MASK], or several such texts. `fill_masks` takes texts with more.
            top_k: the number of candidates. It only cuts the list: the answers for k are the first k of the answers
                for any larger k.
            skip_punctuation: leave out punctuation, symbols and special tokens; there may then be fewer than top_k.
            truncate: let the model read what is around the mask of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.
            joint: moved to `fill_words`.
            targets: moved to `choose`.

        Returns:
            The candidates for the mask, best first; for several texts a list of that, in their order.

        Raises:
            InputError: a text or top_k cannot be asked, or a text has several masks.
            UsageError: ``joint`` or ``targets`` is given.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        check_moved(joint, targets)
        question = fill_question(
            exchanges.fill, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    @overload
    def fill_masks(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Prediction]]: ...
    @overload
    def fill_masks(
        self,
        texts: Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[list[Prediction]]]: ...
    def fill_masks(
        self,
        texts: str | Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Prediction]] | list[list[list[Prediction]]]:
        """Return the best tokens for each mask.

        Each mask is answered by itself, so that the best candidates of two need not fit each other; see `fill_words`.

        Args:
            texts: a text with one [MASK] or more, or several such texts.
            top_k: the number of candidates for each mask, see `fill`.
            skip_punctuation: leave out punctuation, symbols and special tokens; there may then be fewer than top_k.
            truncate: let the model read what is around the masks of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Returns:
            For each mask its candidates, best first; for several texts a list of that, in their order.

        Raises:
            InputError: a text or top_k cannot be asked.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = fill_question(
            exchanges.fill_masks, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    @overload
    def fill_words(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling]: ...
    @overload
    def fill_words(
        self,
        texts: Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Filling]]: ...
    def fill_words(
        self,
        texts: str | Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling] | list[list[Filling]]:
        """Return the best words for all masks together.

        The words fit each other. Masks side by side are one word. Takes a request for each mask of a text, one after
        the other, and one more for a text with several gaps; many texts share them.

        Args:
            texts: a text with one [MASK] or more, or several such texts.
            top_k: the number of fillings, of which at most 16 are found. It only cuts the list, see `fill`.
            skip_punctuation: leave out punctuation and symbols; there may then be fewer than top_k. Special tokens are
                always left out.
            truncate: let the model read what is around the masks of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Returns:
            Fillings of all the masks, best first; the score is the probability of all the words together. For several
            texts a list of that, in their order.

        Raises:
            InputError: a text or top_k cannot be asked.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = fill_question(
            exchanges.fill_words, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    @overload
    def choose(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        candidates: Sequence[Words],
        top_k: int = 5,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling]: ...
    @overload
    def choose(
        self,
        texts: Sequence[str],
        candidates: Sequence[Words],
        top_k: int = 5,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Filling]]: ...
    def choose(
        self,
        texts: str | Sequence[str],
        candidates: Sequence[Words],
        top_k: int = 5,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling] | list[list[Filling]]:
        """Return the best of given words.

        Scores as `score` does, keeps the best, and names a candidate that is given twice once.

        Args:
            texts: a text with one gap or more, or several such texts.
            candidates: words of any length; for texts with several gaps each candidate is a list of words, one for
                each gap.
            top_k: the number of candidates to keep.
            truncate: let the model read what is around the gaps of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Returns:
            Fillings of all the gaps, best first; for several texts a list of that, in their order.

        Raises:
            InputError: a text, a candidate or top_k cannot be asked.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = choose_question(listed(texts), candidates, top_k, truncate=truncate)
        answers = self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    def score(
        self, text: str, candidates: Sequence[Words], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Filling]:
        """Score words of any length for the gaps of a text.

        A gap is a [MASK], or several side by side. A word of n tokens takes it as n masks. Its log-likelihood is the
        sum of log p(token | text, the word's tokens before it), with those after it masked: pseudo-log-likelihood
        (Salazar et al. 2020, "Masked Language Model Scoring", https://aclanthology.org/2020.acl-main.240) within a word
        from left to right, without which the tokens of a word give each other away (Kauf & Ivanova 2023, "A Better Way
        to Do Masked Language Model Scoring", https://aclanthology.org/2023.acl-short.80).

        With several gaps the words are filled in one after the other, too, and those still to come are masked. The
        likelihood is the mean of two orders, the gaps from first to last and from last to first. It is a probability:
        over all words of so many tokens it sums to 1. `fill_words` ranks by the same log-likelihood.

        The score is the geometric mean of the token probabilities, so that words of different lengths compare; that of
        one token is its probability. With this project's demonstration model it found 37 % of 440 words of one to four
        characters, cut from text that the model never saw, among ten words of mixed lengths. The probability itself
        found 29 %, since it favours short words.

        Args:
            text: a text with one gap or more.
            candidates: words of any length; for a text with several gaps each candidate is a list of words, one for
                each gap, such as `Filling.words`.
            truncate: let the model read what is around the gaps of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Returns:
            A filling for each candidate, in the order given.

        Raises:
            InputError: a candidate does not have a word for each gap, or has one that the vocabulary does not.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        check_texts([text])
        words = check_candidates(candidates)
        [answer] = self._ask(lambda tokenizer: exchanges.score(tokenizer, [text], words, truncate=truncate), timeout)
        return answer

    @overload
    def similarity(self, a: str, b: str, *, timeout: float | None = None) -> Similarity: ...
    @overload
    def similarity(
        self, a: Sequence[tuple[str, str]], b: None = None, *, timeout: float | None = None
    ) -> list[Similarity]: ...
    def similarity(
        self, a: str | Sequence[tuple[str, str]], b: str | None = None, *, timeout: float | None = None
    ) -> Similarity | list[Similarity]:
        """Tell how close two texts are in meaning, or the texts of each of several pairs.

        Args:
            a: a text, or several pairs of texts.
            b: the text to compare it with; none after pairs.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Raises:
            InputError: a text cannot be asked.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        pairs = pairs_of(a, b)
        answers = self._ask(lambda tokenizer: exchanges.similarity(tokenizer, pairs), timeout)
        return answers if b is None else answers[0]

    @overload
    def features(self, texts: str, *, truncate: bool = False, timeout: float | None = None) -> Features: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    def features(
        self, texts: Sequence[str], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Features]: ...
    def features(
        self, texts: str | Sequence[str], *, truncate: bool = False, timeout: float | None = None
    ) -> Features | list[Features]:
        """Return the vectors of one text, or of each of several, in their order.

        Args:
            texts: a text, with or without [MASK], or several.
            truncate: let the model read the beginning of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Raises:
            InputError: a text cannot be asked.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        asked = listed(texts)
        check_texts(asked, masks=False)
        answers = self._ask(lambda tokenizer: exchanges.features(tokenizer, asked, truncate=truncate), timeout)
        return answers[0] if isinstance(texts, str) else answers

    def explain(
        self,
        text: str,
        *,
        target: str | Sequence[str] | None = None,
        joint: bool = False,
        method: Method = "occlusion",
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Explanation]:
        """Tell which tokens of a text an answer leans on.

        Without ``target`` the best answers are explained: those of `fill_masks`, or with ``joint`` those of
        `fill_words`. As ``target`` give the answer that you show, `Prediction.token_str` for each mask or with
        ``joint`` `Filling.words`, and the weights belong to it.

        ``occlusion`` replaces each token by [MASK] in turn and weighs it by what the answer loses: log p(answer | text)
        - log p(answer | text without the token), in nats. A negative weight speaks against the answer (Li, Monroe &
        Jurafsky 2016, "Understanding Neural Networks through Representation Erasure",
        https://arxiv.org/abs/1612.08220). The log-probability of a word is the sum over its tokens from left to right,
        as in `score`. The other masks stay masked, as when `fill_masks` answers; with ``joint`` they hold the other
        words, since these are part of the sentence shown, and each of these words has a weight, too.

        ``attention`` weighs each token by how much the last layer attends to it from the [MASK], the mean of its heads
        (for a word, the mean of its masks), for any answer there. It is cheaper, but tells where the model looks
        and not what decides: often other weights would give the same answer (Jain & Wallace 2019, "Attention is not
        Explanation", https://aclanthology.org/N19-1357). If the text has less than a tenth of what uniform attention
        would give it, the rest being on [CLS], [SEP] and [MASK], `Explanation.note` says that the weights say nothing.

        For a text of n tokens besides its M masks, occlusion takes 2 requests with n + 1 rows, or 1 request with n + 1
        rows if there is a target. Words in G gaps take at most M * (n + 1) rows, with ``joint`` M * (n + G). 64 rows
        share a request; 2,048 are the limit.

        Args:
            text: a text with one [MASK] or more.
            target: the answer to explain: a token, or for several masks a list with a token for each; or a word for
                each gap (masks side by side), with as many tokens as its gap has masks.
            joint: explain the words in all gaps together.
            method: how to weigh.
            truncate: let the model read what is around the masks of a text that is too long for it.
            timeout: seconds to wait for the answer to a request, in place of the client's.

        Returns:
            An explanation for each mask, or with words one for each gap, in the text's order.

        Raises:
            InputError: the text, the target or the method cannot be asked, or occlusion takes too many rows.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = explain_question(text, target=target, joint=joint, method=method, truncate=truncate)
        return self._ask(question, timeout)

    def tokenizer(self, *, timeout: float | None = None) -> Tokenizer:
        """Return the tokenizer of the server's model, fetched at the first call and when a new version answers."""
        return self._know(timeout).tokenizer

    def model_status(self, *, timeout: float | None = None) -> ModelStatus:
        """Return which versions of the model the server has, and which of them can be asked."""
        with self._located():
            return self._transport.status(timeout=self._seconds(timeout))

    def close(self) -> None:
        """Let go of the connections; calls that are under way end with a UsageError."""
        self._is_closed = True
        if self._home.process == os.getpid():
            self._home.workers.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _know(self, timeout: float | None) -> Known:
        with self._at_home().loading:
            if self._known is None:
                answered: set[int] = set()
                self._known = self._run(exchanges.load_known(self._vocab, answered), answered, timeout)
            return self._known

    def _ask(self, question: Callable[[Tokenizer], Exchange[Result]], timeout: float | None) -> Result:
        known = self._know(timeout)
        answered: set[int] = set()
        result, found = self._run(exchanges.ask_current(question, known, self._vocab, answered), answered, timeout)
        if found is not known:
            self._known = found
        return result

    def _run(self, exchange: Exchange[Result], answered: set[int], timeout: float | None) -> Result:
        """Carry out an exchange and note the versions that answer."""
        send = partial(self._transport.predict, timeout=self._seconds(timeout))

        def perform(requests: Sequence[Request]) -> Sequence[Answer]:
            answers = send_all(requests, send, self._at_home().workers)
            answered.update(versions_of(answers))
            return answers

        with self._located():
            return drive(exchange, perform)

    def _at_home(self) -> _Home:
        if self._home.process != os.getpid():  # where two threads come here, one's is dropped, which does no harm
            self._home = _Home.here()
        return self._home
