"""Map each command to the client's methods."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from bert_mlm_client.cli import verbs
from bert_mlm_client.cli.formats import Format, format_of
from bert_mlm_client.cli.lines import Fields, Layout
from bert_mlm_client.clients import FillMask, TextClassifier
from bert_mlm_client.errors import InputError
from bert_mlm_client.texts import TextPair

Item = TypeVar("Item")
Client = TypeVar("Client", FillMask, TextClassifier)

Pair = tuple[str, str]
Choice = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Question(Generic[Client, Item]):
    """Questions of one command.

    Attributes:
        client: the class of the client that answers them.
        ask: answers several questions in their order.
        build: builds a question from the values of a line or of the command line.
        fields: returns the question's fields, as in a line of JSON.
        length: estimates the number of tokens of a question.
        format: the default format of lines.
        names: the question's fields in a JSON line.
        columns: the question's columns in a tab-separated line; empty for all columns. Those of CSV are the names.
        optional: further fields or named columns, which a line need not have.
    """

    client: type[Client]
    ask: Callable[[Client, Sequence[Item]], Sequence[Any]]
    build: Callable[..., Item]
    fields: Callable[[Item], Fields]
    length: Callable[[Item], int]
    format: Format
    names: tuple[str, ...]
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def open(self, options: Namespace) -> Client:
        """Open the client that the options describe."""
        url: str | list[str] = options.url[0] if len(options.url) == 1 else options.url
        return self.client(url, options.model, options.version, options.vocab, options.timeout)

    def layout(self, source: str, options: Namespace) -> Layout[Item]:
        """Return the layout of lines from options or file name."""
        given: Format | None = options.format or format_of(source)
        chosen = given or self.format
        given_places = options.field or options.column
        default = {"plain": (), "jsonl": self.names, "tsv": self.columns, "csv": self.names if self.columns else ()}
        optional = () if given_places or chosen not in {"jsonl", "csv"} else self.optional
        return Layout(chosen, given_places or default[chosen], self.build, guessed=given is None, optional=optional)


def question(options: Namespace) -> Question[Any, Any]:
    """Return the questions of the options' command."""
    return _QUESTIONS[options.command](options)


def _fill(options: Namespace) -> Question[FillMask, str]:
    def ask(client: FillMask, texts: Sequence[str]) -> Sequence[Any]:
        if options.targets:
            return client.choose(texts, options.targets, options.top_k, truncate=options.truncate)
        method = client.fill_words if options.joint else client.fill_masks
        answers: Sequence[Any] = method(
            texts, options.top_k, skip_punctuation=options.skip_punctuation, truncate=options.truncate
        )
        return answers if options.joint else _unwrapped(answers)

    return _of_texts(ask)


def _features(options: Namespace) -> Question[FillMask, str]:
    return _of_texts(lambda client, texts: client.features(texts, truncate=options.truncate))


def _explain(options: Namespace) -> Question[FillMask, str]:
    def ask(client: FillMask, texts: Sequence[str]) -> Sequence[Any]:
        how = {"target": options.target, "joint": options.joint, "method": options.method}
        return _unwrapped([client.explain(text, **how, truncate=options.truncate) for text in texts])

    return _of_texts(ask)


def _proofread(options: Namespace) -> Question[FillMask, str]:
    return _of_texts(
        lambda client, texts: client.proofread(
            texts, options.threshold, options.top_k, spacing=options.spacing, truncate=options.truncate
        )
    )


def _similarity(options: Namespace) -> Question[FillMask, Pair]:
    return Question(
        client=FillMask,
        ask=lambda client, pairs: client.similarity(pairs, truncate=options.truncate),
        build=lambda a, b: (_text(a), _text(b)),
        fields=lambda pair: {"a": pair[0], "b": pair[1]},
        length=lambda pair: max(map(_length, pair)),
        format="tsv",
        names=("a", "b"),
        columns=("1", "2"),
    )


def _score(options: Namespace) -> Question[FillMask, Choice]:
    def ask(client: FillMask, choices: Sequence[Choice]) -> Sequence[Any]:
        return [client.score(text, words, truncate=options.truncate) for text, words in choices]

    return Question(
        client=FillMask,
        ask=ask,
        build=_choice,
        fields=lambda choice: {"text": choice[0], "candidates": choice[1]},
        length=lambda choice: _length(choice[0]),
        format="tsv",
        names=("text", "candidates"),
        columns=(),
    )


def _classify(options: Namespace) -> Question[TextClassifier, str | TextPair]:
    return Question(
        client=TextClassifier,
        ask=lambda client, items: client.classify(items, options.top_k, truncate=options.truncate),
        build=lambda text, *second: TextPair(_text(text), *map(_text, second)) if second else _text(text),
        fields=lambda item: {"text": item} if isinstance(item, str) else asdict(item),
        length=lambda item: _length(item) if isinstance(item, str) else _length(item.text) + _length(item.text_pair),
        format="plain",
        names=("text",),
        columns=("1",),
        optional=("text_pair",),
    )


def _of_texts(ask: Callable[[FillMask, Sequence[str]], Sequence[Any]]) -> Question[FillMask, str]:
    """Return questions that are one text each."""
    return Question(
        client=FillMask,
        ask=ask,
        build=_text,
        fields=lambda text: {"text": text},
        length=_length,
        format="plain",
        names=("text",),
        columns=("1",),
    )


_QUESTIONS: Mapping[str, Callable[[Namespace], Question[Any, Any]]] = {
    verbs.FILL: _fill,
    verbs.SCORE: _score,
    verbs.SIMILARITY: _similarity,
    verbs.FEATURES: _features,
    verbs.EXPLAIN: _explain,
    verbs.PROOFREAD: _proofread,
    verbs.CLASSIFY: _classify,
}


def _unwrapped(answers: Sequence[Sequence[Any]]) -> list[Any]:
    """Unwrap the answers of single masks, as Hugging Face does."""
    return [answer[0] if len(answer) == 1 else answer for answer in answers]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"a text must be a string, not {value!r:.40}"
        raise InputError(msg)
    return value


def _choice(text: Any, *candidates: Any) -> Choice:
    """Build a question from a text and its candidates.

    The candidates are a list, or columns of which some may be empty.
    """
    words = candidates[0] if len(candidates) == 1 and isinstance(candidates[0], list) else candidates
    found = tuple(_text(word) for word in words if word != "")
    if not found:
        msg = "the text has no candidates"
        raise InputError(msg)
    return _text(text), found


def _length(text: str) -> int:
    """Estimate a text's tokens, one for each character or mask."""
    return len(text) - len("MASK]") * text.count("[MASK]") + 2
