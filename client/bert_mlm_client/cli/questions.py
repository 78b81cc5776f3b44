"""What each command asks the library, and where its questions come from."""

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
    """One command's way of asking.

    Attributes:
        ask: answers several questions in their order.
        build: makes a question of the values that a line or the command line has.
        fields: tells what a question says, as a line of JSON would.
        length: tells about how many tokens a question has.
        format: how lines are read whose format nobody told.
        names: the fields that a JSON line has it in.
        columns: the columns that a line of columns has it in; none are all of them.
    """

    ask: Callable[[FillMask, Sequence[Item]], Sequence[Any]]
    build: Callable[..., Item]
    fields: Callable[[Item], Fields]
    length: Callable[[Item], int]
    format: Format
    names: tuple[str, ...]
    columns: tuple[str, ...]

    def layout(self, source: str, options: Namespace) -> Layout[Item]:
        """Return where lines have their question, by the options or by the source's name."""
        told: Format | None = options.format or format_of(source)
        chosen = told or self.format
        places = {"plain": (), "jsonl": options.field or self.names, "tsv": options.column or self.columns}
        return Layout(chosen, places[chosen], self.build, guessed=told is None)


def open_client(options: Namespace) -> FillMask:
    """Return the client for the server, or the servers, that the options tell."""
    url: str | list[str] = options.url[0] if len(options.url) == 1 else options.url
    return FillMask(url, options.model, options.version, options.vocab, options.timeout)


def question(options: Namespace) -> Question[Any]:
    """Return the way of asking of the command that the options are for."""
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
    """Return the way of asking about one text at a time."""
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
    """Unwrap the answers of texts with one mask, as Hugging Face does."""
    return [answer[0] if len(answer) == 1 else answer for answer in answers]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"a text is a string, not {value!r:.40}"
        raise InputError(msg)
    return value


def _choice(text: Any, *candidates: Any) -> Choice:
    """Make a question of a text and its candidates: a list of them, or one a column of which some may be empty."""
    words = candidates[0] if len(candidates) == 1 and isinstance(candidates[0], list) else candidates
    found = tuple(_text(word) for word in words if word != "")
    if not found:
        msg = "the text has no candidates beside it"
        raise InputError(msg)
    return _text(text), found


def _length(text: str) -> int:
    """Return about how many tokens a text has: a Chinese character is one, and so is a mask."""
    return len(text) - len("MASK]") * text.count("[MASK]") + 2
