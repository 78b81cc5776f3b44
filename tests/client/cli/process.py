"""Types of the fixtures that run the command, and sentences for the tiny model."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

COMMAND = [sys.executable, "-m", "bert_mlm_client"]

Run = Callable[..., subprocess.CompletedProcess[str]]
RunWith = Callable[..., subprocess.CompletedProcess[bytes]]
Start = Callable[..., subprocess.Popen[str]]
Texts = Callable[[int], Path]


KNOWN = "床前明月光疑是地上霜春眠不觉晓处闻啼鸟夜来风雨声花落知多少今天气真好啊适合出去玩他说你的很大"
"""The Chinese characters in the tiny model's vocabulary."""


def sentences(count: int) -> list[str]:
    """Distinct sentences of 6 to 27 characters with one [MASK]."""
    made = []
    for number in range(count):
        length = 3 + number * 7 % 22
        start = number % len(KNOWN)
        characters = (KNOWN * 3)[start : start + length]
        made.append(f"{characters}[MASK]{number % 10}{number // 10 % 10}")
    return made
