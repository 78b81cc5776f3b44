"""Measure how well proofreading finds wrong characters.

python -m models.demo.proofreading --url grpc://127.0.0.1:8500

One character of each held-out text is replaced: by another common character with the same pinyin (without tone, as a
pinyin keyboard offers it; https://github.com/mozillazg/python-pinyin), or by one of similar shape from
``text/shapes.txt``, which was written for this test. The choice is random with a fixed seed. An error is found if its
character is a suspect. A false alarm is a suspect in the unchanged text. The texts are those of ``text/heldout.txt``
in modern Chinese, which were not part of the training text.
"""

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_mlm_client import FillMask, Proofreading, Suspect
from pypinyin import Style, lazy_pinyin

from models.demo import corpus
from models.demo.tokenizer import read_vocabulary

FOLDER = Path(__file__).parent
SHAPES = FOLDER / "text" / "shapes.txt"
MODERN = ("modern_public_domain_books", "lctt_tech_articles", "kdconv_dialogues", "howtocook", "laws")
THRESHOLDS = (0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003, 0.00001)
COMMON = 2500
"""Number of common characters among which errors are chosen; vocab.txt is sorted by frequency."""

COMPARED = (0.001, 0.0001, 0.00001)
SPACING = 5
SPEED_TEXTS = 10
SPEED_GOAL = 10

Confusions = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Error:
    """Text with one wrong character.

    Attributes:
        text: the text.
        place: the index of the wrong character.
        right: the character that it replaced.
    """

    text: str
    place: int
    right: str


def common_characters(count: int = COMMON) -> list[str]:
    """Return the most frequent Chinese characters of the vocabulary."""
    vocabulary = read_vocabulary(FOLDER / "vocab.txt")
    return [token for token in vocabulary if len(token) == 1 and "\u4e00" <= token <= "\u9fff"][:count]


def same_sound() -> dict[str, list[str]]:
    """Return the common characters of the same pinyin, without tone."""
    groups = defaultdict(list)
    sounds = {one: lazy_pinyin(one, style=Style.NORMAL)[0] for one in common_characters()}
    for character, sound in sounds.items():
        groups[sound].append(character)
    return {one: others for one, sound in sounds.items() if (others := [each for each in groups[sound] if each != one])}


def same_shape() -> dict[str, list[str]]:
    """Return the characters of similar shape."""
    others: dict[str, set[str]] = defaultdict(set)
    for group in SHAPES.read_text(encoding="utf-8").split():
        for one in group:
            others[one] |= set(group) - {one}
    return {one: sorted(found) for one, found in others.items()}


def confuse(texts: Sequence[str], confusions: Confusions, seed: int = 0) -> list[Error]:
    """Replace one confusable character of each text."""
    rng = random.Random(seed)  # noqa: S311 - a choice to repeat, not to hide
    errors = []
    for text in texts:
        if places := [place for place, one in enumerate(text) if one in confusions]:
            place = rng.choice(places)
            wrong = rng.choice(confusions[text[place]])
            errors.append(Error(text[:place] + wrong + text[place + 1 :], place, text[place]))
    return errors


def suspect_of(error: Error, answer: Proofreading) -> Suspect | None:
    """Return the suspect at the wrong character, or None."""
    return next((one for one in answer.suspects if one.start == error.place), None)


def report(client: FillMask, texts: Sequence[str]) -> Iterator[str]:
    """Yield table lines with recall and false alarms by threshold."""
    unchanged = client.proofread(texts, THRESHOLDS[0], truncate=True, timeout=600)
    checked = sum("\u4e00" <= one.token_str <= "\u9fff" for answer in unchanged for one in answer.characters)
    found = {}
    for name, confusions in (("same sound", same_sound()), ("same shape", same_shape())):
        errors = confuse(texts, confusions)
        answers = client.proofread([one.text for one in errors], THRESHOLDS[0], truncate=True, timeout=600)
        found[name] = [(one, suspect_of(one, answer)) for one, answer in zip(errors, answers, strict=True)]
    counts = ", ".join(f"{len(pairs)} errors of {name}" for name, pairs in found.items())
    yield f"{len(texts)} texts, {checked} Chinese characters, {counts}"
    yield f"{'':12}" + "".join(f"{name:>26}" for name in found) + f"{'false alarms per':>20}{'texts':>12}"
    yield (
        f"{'threshold':12}"
        + f"{'found':>12}{'corrected':>14}" * len(found)
        + f"{'1,000 characters':>20}{'in error':>12}"
    )
    for threshold in THRESHOLDS:
        line = f"{threshold:<12g}"
        for pairs in found.values():
            suspects = [(error, one) for error, one in pairs if one is not None and one.score < threshold]
            corrected = sum(one.suggestions[0].token_str == error.right for error, one in suspects)
            line += f"{len(suspects) / len(pairs):12.1%}{corrected / len(pairs):14.1%}"
        alarms = [sum(one.score < threshold for one in answer.suspects) for answer in unchanged]
        yield f"{line}{sum(alarms) / checked * 1000:20.1f}{sum(map(bool, alarms)) / len(alarms):12.1%}"


def agreement(client: FillMask, texts: Sequence[str], spacing: int) -> Iterator[str]:
    """Yield table lines with the suspects of shared rows.

    They are compared with those of one token at a time, in texts with errors.
    """
    wrong = [one.text for confusions in (same_sound(), same_shape()) for one in confuse(texts, confusions)]
    alone = client.proofread(wrong, max(COMPARED), truncate=True, timeout=600)
    yield f"spacing {spacing}, {len(wrong)} texts with an error: suspects of one token at a time"
    yield f"{'threshold':12}{'suspects':>12}{'missed':>12}{'further':>12}"
    for threshold in COMPARED:
        shared = client.proofread(wrong, threshold, spacing=spacing, truncate=True, timeout=600)
        expected = {
            (n, one.start) for n, answer in enumerate(alone) for one in answer.suspects if one.score < threshold
        }
        found = {(n, one.start) for n, answer in enumerate(shared) for one in answer.suspects}
        yield f"{threshold:<12g}{len(expected):12,}{len(expected - found):12,}{len(found - expected):12,}"


def one_by_one(client: FillMask, text: str) -> int:
    """Fill each character by its own request and count them."""
    spans = client.tokenizer().encode(text, masks=False).token_spans[1:-1]
    for start, end in spans:
        client.fill(f"{text[:start]}[MASK]{text[end:]}")
    return len(spans)


def speed(client: FillMask, texts: Sequence[str]) -> Iterator[str]:
    """Yield the characters a second of each way.

    The best of three rounds, since other load only slows down.
    """
    ways: Mapping[str, Callable[[], int]] = {
        "single fill requests": lambda: sum(one_by_one(client, text) for text in texts),
        "proofread": lambda: _checked(client.proofread(texts, timeout=600)),
        f"proofread, spacing {SPACING}": lambda: _checked(client.proofread(texts, spacing=SPACING, timeout=600)),
    }
    client.proofread(texts[:1])
    rates = dict.fromkeys(ways, 0.0)
    for _ in range(3):
        for name, count in ways.items():
            began = time.perf_counter()
            rates[name] = max(rates[name], count() / (time.perf_counter() - began))
    single = rates["single fill requests"]
    for name, rate in rates.items():
        yield f"{name:24}{rate:10,.0f} characters a second{rate / single:8.1f} times"
    ratio = max(rates.values()) / single
    yield f"{'met' if ratio >= SPEED_GOAL else 'missed'}: {ratio:.1f} times, goal {SPEED_GOAL}"


def _checked(answers: Sequence[Proofreading]) -> int:
    return sum(len(answer.characters) for answer in answers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print recall and false alarms by threshold, and the speed."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.proofreading", description=main.__doc__)
    parser.add_argument("--url", default="grpc://127.0.0.1:8500", help="the server (default: %(default)s)")
    parser.add_argument("--model", default="bert_mlm", help="the model's name (default: %(default)s)")
    parser.add_argument("--every", type=int, default=4, help="use every n-th text (default: %(default)s)")
    options = parser.parse_args(arguments)
    texts = [text for source, text in corpus.held_out() if source in MODERN][:: options.every]
    with FillMask(options.url, options.model) as client:
        for line in report(client, texts):
            print(line, flush=True)
        for line in agreement(client, texts, SPACING):
            print(line, flush=True)
        short = [text for text in texts if len(text) < client.tokenizer().config.max_length - 2]
        for line in speed(client, short[:: max(1, len(short) // SPEED_TEXTS)]):  # of every source
            print(line, flush=True)


if __name__ == "__main__":
    main()
