"""Provide labelled text, and the command of the fine-tuning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from export.finetune.command import main

SPRING, TODAY = "春眠不觉晓处闻啼鸟夜来风雨声花落知多少", "今天气真好啊适合出去玩他说你的很大"

Write = Callable[[str, str], Path]


def sentences(source: str, count: int) -> list[str]:
    """Return texts of 3 to 8 characters of a source."""
    return [
        "".join(source[(number * 7 + place * 3) % len(source)] for place in range(3 + number % 6))
        for number in range(count)
    ]


def rows(count: int) -> list[tuple[str, str]]:
    """Return labelled texts, the classes alternating."""
    pairs = zip(sentences(SPRING, count // 2), sentences(TODAY, count // 2), strict=True)
    return [row for spring, today in pairs for row in ((spring, "诗"), (today, "话"))]


def table(lines: Sequence[Sequence[str]], separator: str = "\t") -> str:
    """Return the content of a TSV or CSV file."""
    return "".join(separator.join(line) + "\n" for line in lines)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file in UTF-8."""

    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8", newline="")
        return path

    return write


@pytest.fixture
def train(write: Write) -> Path:
    """64 labelled texts of two classes."""
    return write("train.tsv", table([("text", "label"), *rows(64)]))


@pytest.fixture
def dev(write: Write) -> Path:
    """20 labelled texts of two classes."""
    return write("dev.tsv", table([("text", "label"), *rows(104)[84:]]))


@dataclass
class Finetuning:
    """The command with a small checkpoint and small texts."""

    train: Path
    dev: Path
    output: Path
    model: Path

    def arguments(self, *options: str) -> list[str]:
        """Return the command's arguments."""
        files = {"--model": self.model, "--train": self.train, "--dev": self.dev, "--output": self.output}
        pairs = [text for name, path in files.items() for text in (name, str(path))]
        return [*pairs, "--batch-size", "8", "--precision", "fp32", *options]

    def run(self, *options: str) -> int:
        """Run the command in this process and return its exit status."""
        return main(self.arguments(*options))

    @property
    def left(self) -> list[str]:
        """The names of what is beside the texts."""
        kept = {self.train.name, self.dev.name, self.model.name}
        return sorted(path.name for path in self.output.parent.iterdir() if path.name not in kept)


@pytest.fixture
def finetuning(train: Path, dev: Path, tiny_copy: Path, tmp_path: Path) -> Finetuning:
    """The command, writing to a new folder.

    The checkpoint's own weights are large, so that its answers are distinct. New ones are smaller, so that they learn.
    """
    config = tiny_copy / "config.json"
    config.write_text(config.read_text().replace('"initializer_range": 0.4', '"initializer_range": 0.1'))
    return Finetuning(train, dev, tmp_path / "news", tiny_copy)
