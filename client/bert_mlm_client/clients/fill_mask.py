"""Provide the blocking client of masked language models."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import overload

from bert_mlm_client import exchanges
from bert_mlm_client.clients.base import listed
from bert_mlm_client.clients.blocking import BlockingClient
from bert_mlm_client.clients.fill_questions import (
    check_moved,
    choose_question,
    explain_question,
    fill_question,
    pairs_of,
    proofread_question,
)
from bert_mlm_client.exchanges import THRESHOLD, Exchange, Method, Result, Words, check_candidates, check_texts
from bert_mlm_client.results import Explanation, Filling, Prediction, Proofreading, Similarity
from bert_mlm_client.task import FILL_MASK
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Retry, Transport


class FillMask(BlockingClient):
    """Query a masked language model on TensorFlow Serving.

    A client is thread-safe. A forked process opens its own connections.

    Args:
        url: grpc://host:port, grpcs://host:port, http://host:port or https://host:port; or several of them, for load
            balancing and failover; or a transport, for example an in-process one.
        model: the model's name on the server.
        version: its version, or None for the latest.
        vocab: the path of the model's vocab.txt, which is compared with the server's; None fetches it from the server.
        timeout: the seconds to wait for the answer to a request.
        retry: the retry policy; None for no retries.

    Raises:
        InputError: the address is invalid, or the timeout is not positive.

    Example:
        >>> with FillMask("grpc://127.0.0.1:8500") as client:
        ...     client.fill("中国的首[MASK]是北京。", top_k=1)
        [Prediction(score=0.99, token=6963, token_str='都', sequence='中国的首都是北京。')]
    """

    _task = FILL_MASK

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
        super().__init__(url, model, version, vocab, timeout, retry=retry)

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
            top_k: the number of candidates. It only limits the list: the answers for k are the first k of the answers
                for any larger k.
            skip_punctuation: leave out punctuation, symbols and special tokens, which may leave fewer than top_k.
            truncate: truncate a text that is too long for the model, keeping the part around its mask.
            timeout: seconds to wait for the answer to a request; by default the client's.
            joint: moved to `fill_words`.
            targets: moved to `choose`.

        Returns:
            The candidates for the mask, best first; for several texts a list of such lists, in their order.

        Raises:
            InputError: a text or top_k is invalid, or a text has several masks.
            UsageError: ``joint`` or ``targets`` is given.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        check_moved(joint, targets)
        question = fill_question(
            exchanges.fill, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = self._ask_tokenizer(question, timeout)
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

        Masks are filled independently, so that the best candidates of two may not fit each other; see `fill_words`.

        Args:
            texts: a text with one [MASK] or more, or several such texts.
            top_k: the number of candidates for each mask, see `fill`.
            skip_punctuation: leave out punctuation, symbols and special tokens, which may leave fewer than top_k.
            truncate: truncate a text that is too long for the model, keeping the part around its masks.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            For each mask its candidates, best first; for several texts a list of such lists, in their order.

        Raises:
            InputError: a text or top_k is invalid.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = fill_question(
            exchanges.fill_masks, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = self._ask_tokenizer(question, timeout)
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

        The words fit each other. Adjacent masks are one word. Sends one request for each mask of a text in sequence,
        and one more for a text with several gaps; several texts share these requests.

        Args:
            texts: a text with one [MASK] or more, or several such texts.
            top_k: the number of fillings, of which at most 16 are found. It only limits the list, see `fill`.
            skip_punctuation: leave out punctuation and symbols, which may leave fewer than top_k. Special tokens are
                always left out.
            truncate: truncate a text that is too long for the model, keeping the part around its masks.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            Fillings of all the masks, best first; the score is the probability of all the words together. For several
            texts a list of such lists, in their order.

        Raises:
            InputError: a text or top_k is invalid.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = fill_question(
            exchanges.fill_words, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = self._ask_tokenizer(question, timeout)
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

        Scores as `score` does and keeps the best, without duplicates.

        Args:
            texts: a text with one gap or more, or several such texts.
            candidates: words of any length; for texts with several gaps each candidate is a list of words, one for
                each gap.
            top_k: the number of candidates to keep.
            truncate: truncate a text that is too long for the model, keeping the part around its gaps.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            Fillings of all the gaps, best first; for several texts a list of such lists, in their order.

        Raises:
            InputError: a text, a candidate or top_k is invalid.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = choose_question(listed(texts), candidates, top_k, truncate=truncate)
        answers = self._ask_tokenizer(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    def score(
        self, text: str, candidates: Sequence[Words], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Filling]:
        """Score words of any length for a text's gaps.

        A gap is one [MASK] or several adjacent ones. For a word of n tokens it is read as n masks. Its log-likelihood
        is the sum of log p(token | text, the word's tokens before it), with those after it masked:
        pseudo-log-likelihood (Salazar et al. 2020, "Masked Language Model Scoring",
        https://aclanthology.org/2020.acl-main.240) within a word from left to right, without which the tokens of a word
        give each other away (Kauf & Ivanova 2023, "A Better Way to Do Masked Language Model Scoring",
        https://aclanthology.org/2023.acl-short.80).

        With several gaps the words are also filled in one after the other, with later ones masked. The
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
            truncate: truncate a text that is too long for the model, keeping the part around its gaps.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            A filling for each candidate, in the order given.

        Raises:
            InputError: a candidate does not have a word for each gap, or a word is not in the vocabulary.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        check_texts([text])
        words = check_candidates(candidates)
        [answer] = self._ask_tokenizer(
            lambda tokenizer: exchanges.score(tokenizer, [text], words, truncate=truncate), timeout
        )
        return answer

    @overload
    def similarity(self, a: str, b: str, *, truncate: bool = False, timeout: float | None = None) -> Similarity: ...
    @overload
    def similarity(
        self, a: Sequence[tuple[str, str]], b: None = None, *, truncate: bool = False, timeout: float | None = None
    ) -> list[Similarity]: ...
    def similarity(
        self,
        a: str | Sequence[tuple[str, str]],
        b: str | None = None,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Similarity | list[Similarity]:
        """Return the similarity of two texts or of each pair.

        Args:
            a: a text, or several pairs of texts.
            b: the text to compare it with; omitted for pairs.
            truncate: truncate a text that is too long for the model at the end.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Raises:
            InputError: a text is invalid.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        pairs = pairs_of(a, b)
        answers = self._ask_tokenizer(
            lambda tokenizer: exchanges.similarity(tokenizer, pairs, truncate=truncate), timeout
        )
        return answers if b is None else answers[0]

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
        """Explain which tokens of a text determine an answer.

        Without ``target`` the best answers are explained: those of `fill_masks`, or with ``joint`` those of
        `fill_words`. Pass the answer that you display as ``target``, `Prediction.token_str` for each mask or with
        ``joint`` `Filling.words`, to explain that answer.

        ``occlusion`` replaces each token by [MASK] in turn; its weight is the loss of the answer: log p(answer | text)
        - log p(answer | text without the token), in nats. A negative weight is evidence against the answer (Li, Monroe
        & Jurafsky 2016, "Understanding Neural Networks through Representation Erasure",
        https://arxiv.org/abs/1612.08220). The log-probability of a word is the sum over its tokens from left to right,
        as in `score`. The other masks stay masked, as in `fill_masks`; with ``joint`` they are filled with the other
        words, which are part of the displayed sentence, and each of these words also has a weight.

        ``attention`` weighs each token by the last layer's attention from the [MASK], the mean over its heads (for a
        word, over its masks), for any answer there. It is cheaper, but does not show what determines the answer: other
        weights often give the same answer (Jain & Wallace 2019, "Attention is not Explanation",
        https://aclanthology.org/N19-1357). If the text has less than a tenth of what uniform attention would give it,
        the rest being on [CLS], [SEP] and [MASK], `Explanation.note` says that the weights have no meaning.

        For a text of n tokens besides its M masks, occlusion takes 2 requests with n + 1 rows, or 1 request with n + 1
        rows if there is a target. Words in G gaps take up to M * (n + 1) rows, with ``joint`` M * (n + G). A request
        has up to 64 rows; the limit is 2,048 rows.

        Args:
            text: a text with one [MASK] or more.
            target: the answer to explain: a token, or for several masks a list with a token for each; or a word for
                each gap (adjacent masks), with as many tokens as its gap has masks.
            joint: explain the words in all gaps together.
            method: the attribution method.
            truncate: truncate a text that is too long for the model, keeping the part around its masks.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            An explanation for each mask, or with words for each gap, in the text's order.

        Raises:
            InputError: the text, the target or the method is invalid, or occlusion takes too many rows.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = explain_question(text, target=target, joint=joint, method=method, truncate=truncate)
        return self._ask_tokenizer(question, timeout)

    @overload
    def proofread(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        threshold: float = THRESHOLD,
        top_k: int = 5,
        *,
        spacing: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Proofreading: ...
    @overload
    def proofread(
        self,
        texts: Sequence[str],
        threshold: float = THRESHOLD,
        top_k: int = 5,
        *,
        spacing: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Proofreading]: ...
    def proofread(
        self,
        texts: str | Sequence[str],
        threshold: float = THRESHOLD,
        top_k: int = 5,
        *,
        spacing: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Proofreading | list[Proofreading]:
        """Find the improbable characters of one text or of several.

        Each token of a text is masked once, with all others visible, and scored by its probability there (as in the
        pseudo-log-likelihood of Salazar et al. 2020, https://aclanthology.org/2020.acl-main.240). A suspect is a
        Chinese character with a probability below the threshold, for which the model finds another Chinese character
        more probable. Punctuation, letters and digits have a probability in `Proofreading.characters`, but are never
        suspects or suggestions: the model cannot know which number, name or comma is right. A character outside the
        vocabulary ([UNK]) has no probability. A [MASK] in a text stays masked and is not scored.

        A text of n tokens takes n rows of `score_tokens`, and a row of `fill_mask` for each improbable character.

        With ``spacing`` a text takes that many rows: in each, every ``spacing``-th token is masked. The Chinese
        characters that score below three times the threshold there are then scored alone, so that the score of each
        suspect is that of `None`. The other scores are those with the masks around.

        Args:
            texts: a text, or several.
            threshold: the probability below which a Chinese character is a suspect.
            top_k: the number of suggestions for each suspect.
            spacing: the distance of the tokens masked in one row, 2 or more; None masks one at a time.
            truncate: truncate a text that is too long for the model at the end.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Returns:
            The probabilities and the suspects; for several texts a list in their order.

        Raises:
            InputError: a text, the threshold, top_k or the spacing is invalid.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        question = proofread_question(listed(texts), threshold, top_k, spacing=spacing, truncate=truncate)
        answers = self._ask_tokenizer(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    def _ask_tokenizer(self, question: Callable[[Tokenizer], Exchange[Result]], timeout: float | None) -> Result:
        return self._ask(lambda model: question(model.tokenizer), timeout)
