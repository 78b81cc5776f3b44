"""Map each command to the client's methods."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bert_mlm_client.cli.lines import Fields, Format, Layout, format_of
from bert_mlm_client.client import FillMask
from bert_mlm_client.errors import InputError

Item = TypeVar("Item")

Pair = tuple[str, str]
Choice = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Question(Generic[Item]):
    """Questions of one command.

    Attributes:
        ask: answers several questions in their order.
        build: builds a question from the values of a line or of the command line.
        fields: returns the question's fields, as in a line of JSON.
        length: estimates the number of tokens of a question.
        format: the default format of lines.
        names: the question's fields in a JSON line.
        columns: the question's columns in a tab-separated line; empty for all columns.
    """

    ask: Callable[[FillMask, Sequence[Item]], Sequence[Any]]
    build: Callable[..., Item]
    fields: Callable[[Item], Fields]
    length: Callable[[Item], int]
    format: Format
    names: tuple[str, ...]
    columns: tuple[str, ...]

    def layout(self, source: str, options: Namespace) -> Layout[Item]:
        """Return the layout of lines from options or file name."""
        given: Format | None = options.format or format_of(source)
        chosen = given or self.format
        places = {"plain": (), "jsonl": options.field or self.names, "tsv": options.column or self.columns}
        return Layout(chosen, places[chosen], self.build, guessed=given is None)


def open_client(options: Namespace) -> FillMask:
    """Open the client that the options describe."""
    url: str | list[str] = options.url[0] if len(options.url) == 1 else options.url
    return FillMask(url, options.model, options.version, options.vocab, options.timeout)


def question(options: Namespace) -> Question[Any]:
    """Return the questions of the options' command."""
    return _QUESTIONS[options.command](options)


def _fill(options: Namespace) -> Question[str]:
    def ask(client: FillMask, texts: Sequence[str]) -> Sequence[Any]:
        if options.targets:
            return client.choose(texts, options.targets, options.top_k, truncate=options.truncate)
        method = client.fill_words if options.joint else client.fill_masks
        answers: Sequence[Any] = method(
            texts, options.top_k, skip_punctuation=options.skip_punctuation, truncate=options.truncate
        )
        return answers if options.joint else _unwrapped(answers)

    return _of_texts(ask)


def _features(options: Namespace) -> Question[str]:
    return _of_texts(lambda client, texts: client.features(texts, truncate=options.truncate))


def _explain(options: Namespace) -> Question[str]:
    def ask(client: FillMask, texts: Sequence[str]) -> Sequence[Any]:
        how = {"target": options.target, "joint": options.joint, "method": options.method}
        return _unwrapped([client.explain(text, **how, truncate=options.truncate) for text in texts])

    return _of_texts(ask)


def _similar(_: Namespace) -> Question[Pair]:
    return Question(
        ask=lambda client, pairs: client.similarity(pairs),
        build=lambda a, b: (_text(a), _text(b)),
        fields=lambda pair: {"a": pair[0], "b": pair[1]},
        length=lambda pair: max(map(_length, pair)),
        format="tsv",
        names=("a", "b"),
        columns=("1", "2"),
    )


def _score(options: Namespace) -> Question[Choice]:
    def ask(client: FillMask, choices: Sequence[Choice]) -> Sequence[Any]:
        return [client.score(text, words, truncate=options.truncate) for text, words in choices]

    return Question(
        ask=ask,
        build=_choice,
        fields=lambda choice: {"text": choice[0], "candidates": choice[1]},
        length=lambda choice: _length(choice[0]),
        format="tsv",
        names=("text", "candidates"),
        columns=(),
    )


def _of_texts(ask: Callable[[FillMask, Sequence[str]], Sequence[Any]]) -> Question[str]:
    """Return questions that are one text each."""
    return Question(
        ask=ask,
        build=_text,
        fields=lambda text: {"text": text},
        length=_length,
        format="plain",
        names=("text",),
        columns=("1",),
    )


_QUESTIONS: Mapping[str, Callable[[Namespace], Question[Any]]] = {
    "fill": _fill,
    "score": _score,
    "similar": _similar,
    "features": _features,
    "explain": _explain,
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
