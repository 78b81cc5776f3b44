"""Query the served models and print sample answers."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from bert_mlm_client import FillMask, Prediction, TextClassifier
from rich.console import Console
from rich.table import Column, Table

from deploy.local.process import ask

SENTENCES = (
    "床前明月光，疑是地[MASK]霜。",
    "今天天气真[MASK]啊，适合出去玩。",
    "中国的首都是[MASK]京。",
    "他做事总是半[MASK]而废。",
    "春眠不觉晓，处处闻啼[MASK]。",
)


def show_filled(console: Console, address: str, model: str) -> None:
    """Print a masked language model's answers."""
    with FillMask(address, model=model) as client:
        _print_filled(console, client.fill(SENTENCES, top_k=5))


def read_examples(texts: Path) -> list[str]:
    """Return the lines of a file.

    Return an empty list if the file does not exist.
    """
    return texts.read_text(encoding="utf-8").split("\n")[:-1] if texts.is_file() else []


def show_filled_by_gateway(console: Console, port: int) -> None:
    """Print the answers of a gateway's API.

    A gateway with its own engine has no server to ask.

    Raises:
        OSError: the gateway did not answer.
    """
    status, body = ask(port, "/v1/fill-mask", {"inputs": SENTENCES})
    if status != HTTPStatus.OK:
        msg = f"the gateway answered {status}: {body.decode(errors='replace')[:200]}"
        raise OSError(msg)
    _print_filled(console, [[Prediction(**candidate) for candidate in answer] for answer in json.loads(body)])


def _print_filled(console: Console, answers: Sequence[Sequence[Prediction]]) -> None:
    table = Table("sentence", "answer", "probability", "next best")
    for sentence, (best, *others) in zip(SENTENCES, answers, strict=True):
        table.add_row(sentence, best.token_str, f"{best.score:.1%}", " ".join(other.token_str for other in others))
    console.print(table)


def show_classified(console: Console, address: str, model: str, texts: Sequence[str]) -> None:
    """Print a classifier's answers."""
    table = Table(Column("text", overflow="fold"), "label", "probability", "next best")
    with TextClassifier(address, model=model) as client:
        for text, (best, *others) in zip(texts, client.classify(texts, top_k=2), strict=True):
            table.add_row(text, best.label, f"{best.score:.1%}", " ".join(other.label for other in others))
    console.print(table)
