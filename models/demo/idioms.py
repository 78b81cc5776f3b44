"""Compare joint with independent mask filling on idioms.

python -m models.demo.idioms --url grpc://127.0.0.1:8500

``text/idioms.txt`` has sentences written for this test, each with a well-known idiom of four characters in brackets.
Some or all of an idiom's characters are masked, in its sentence and alone; an answer is correct if it is the whole
idiom. The training text of the shipped checkpoint contains these idioms (from a dictionary of 30,895 with examples),
but not these sentences, so the figures measure how well it combines known tokens.
"""

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from bert_mlm_client import FillMask, ModelStatus
from bert_mlm_client.transport import Answer, Request, Transport, open_transport

IDIOMS = Path(__file__).parent / "text" / "idioms.txt"
PATTERNS = {
    "second and fourth": (1, 3),
    "last two": (2, 3),
    "last three": (1, 2, 3),
    "all four": (0, 1, 2, 3),
}
"""Which characters of an idiom are masked."""

TOP_K = (1, 5, 30, 100)
"""Requested numbers of answers; the report shows that the best one does not depend on them."""

_LINE = re.compile(r"(.*)\[(.{4})\](.*)")


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence that contains an idiom."""

    before: str
    idiom: str
    after: str

    def masked(self, places: Sequence[int]) -> str:
        """Return the sentence with some of the idiom's characters masked."""
        idiom = "".join("[MASK]" if place in places else character for place, character in enumerate(self.idiom))
        return f"{self.before}{idiom}{self.after}"

    def hidden(self, places: Sequence[int]) -> str:
        """Return the masked characters."""
        return "".join(self.idiom[place] for place in places)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one way to fill.

    Attributes:
        right: share of idioms whose best answer is the whole idiom, for each of TOP_K.
        among_five: share with the idiom among the first five answers, for the largest of TOP_K.
        requests: requests per answer.
        milliseconds: median time of an answer.
    """

    right: tuple[float, ...]
    among_five: float
    requests: float
    milliseconds: float


class CountingTransport:
    """A wrapper that counts another transport's requests."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.requests = 0

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Count and forward a request (see `Transport.predict`)."""
        self.requests += 1
        return self._transport.predict(request, timeout=timeout)

    def status(self, *, timeout: float) -> ModelStatus:
        """Return the model's status (see `Transport.status`)."""
        return self._transport.status(timeout=timeout)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def read_examples(path: Path = IDIOMS) -> list[Example]:
    """Read one sentence per line, with its idiom in brackets.

    Raises:
        ValueError: a line has no such idiom.
    """
    examples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            msg = f"{path}, line {number}: {line!r} has no [idiom] of four characters"
            raise ValueError(msg)
        examples.append(Example(*found.groups()))
    return examples


def independently(client: FillMask, text: str, top_k: int) -> list[str]:
    """Return each mask's best character.

    This defines only one answer.
    """
    return ["".join(mask[0].token_str for mask in client.fill_masks(text, top_k))]


def jointly(client: FillMask, text: str, top_k: int) -> list[str]:
    """Return the characters of the best joint fillings."""
    return ["".join(filling.words) for filling in client.fill_words(text, top_k)]


def measure(
    transport: CountingTransport,
    examples: Sequence[Example],
    places: Sequence[int],
    fill: Callable[[FillMask, str, int], list[str]],
) -> Outcome:
    """Fill every example's masks, one text at a time."""
    client = FillMask(transport)
    client.tokenizer()
    hidden = [example.hidden(places) for example in examples]
    before = transport.requests
    seconds, right = [], []
    for top_k in TOP_K:
        answers = []
        for example in examples:
            started = time.perf_counter()
            answers.append(fill(client, example.masked(places), top_k))
            seconds.append(time.perf_counter() - started)
        right.append(fmean(true == answer[0] for true, answer in zip(hidden, answers, strict=True)))
    return Outcome(
        right=tuple(right),
        among_five=fmean(true in answer[:5] for true, answer in zip(hidden, answers, strict=True)),
        requests=(transport.requests - before) / len(seconds),
        milliseconds=median(seconds) * 1e3,
    )


def report(transport: CountingTransport, examples: Sequence[Example]) -> Iterator[str]:
    """Yield table rows by context, mask pattern and method."""
    alone = [Example("", idiom, "") for idiom in dict.fromkeys(example.idiom for example in examples)]
    yield f"{'':36}{'right at top_k':^{8 * len(TOP_K)}}"
    counts = "".join(f"{top_k:8}" for top_k in TOP_K)
    yield f"{'masked':20}{'filled':16}{counts}{'among 5':>9}{'requests':>10}{'p50 ms':>8}"
    for where, chosen in ((f"{len(alone)} idioms alone", alone), (f"{len(examples)} sentences", examples)):
        yield where
        for title, places in PATTERNS.items():
            if chosen is alone and len(places) == 4:
                continue  # no context would be left
            for name, fill in (("each by itself", independently), ("jointly", jointly)):
                one = measure(transport, chosen, places, fill)
                right = "".join(f"{share:8.1%}" for share in one.right)
                among = f"{one.among_five:.1%}" if fill is jointly else "-"
                yield f"{title:20}{name:16}{right}{among:>9}{one.requests:10.2f}{one.milliseconds:8.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the accuracy and cost of joint and independent filling."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.idioms", description=main.__doc__)
    parser.add_argument("--url", default="grpc://127.0.0.1:8500", help="the server (default: %(default)s)")
    parser.add_argument("--model", default="bert_mlm", help="the model's name (default: %(default)s)")
    options = parser.parse_args(arguments)
    with closing(CountingTransport(open_transport(options.url, model=options.model))) as transport:
        for line in report(transport, read_examples()):
            print(line, flush=True)


if __name__ == "__main__":
    main()
