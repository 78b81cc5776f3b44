"""Read, clean and weight the demonstration checkpoint's training text.

The corpora are plain text, one sentence or paragraph a line, and are not part of this repository; ``README.md`` beside
this file lists them with their licences. It contains ``text/everyday.txt`` and ``text/famous.txt``.
A line that shares a sentence with ``text/heldout.txt`` is excluded from training.
"""

import lzma
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TEXT = Path(__file__).parent / "text"
HELD_OUT = TEXT / "heldout.txt"

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

SHARES = {
    "modern_public_domain_books": (0.240, 0.170),
    "lctt_tech_articles": (0.070, 0.040),
    "cmrc2018_wiki_paragraphs": (0.055, 0.050),
    "ud_gsdsimp_wiki_sentences": (0.005, 0.005),
    "kdconv_dialogues": (0.065, 0.060),
    "howtocook": (0.015, 0.010),
    "laws": (0.015, 0.010),
    "shu_classics_books": (0.050, 0.025),
    "classical_with_modern": (0.020, 0.010),
    "poetry_tang_simp": (0.045, 0.035),
    "poetry_songci": (0.025, 0.020),
    "poetry_song_simp": (0.015, 0.005),
    "poetry_other": (0.010, 0.005),
    "xiehouyu": (0.020, 0.025),
    "idioms_explained_and_in_context": (0.110, 0.130),
    "idioms": (0.060, 0.090),
    "common_idioms": (0.070, 0.110),
    "everyday": (0.050, 0.080),
    "famous": (0.060, 0.120),
}
"""Each source's share of the training tokens, before and during the decay of the learning rate.

Text that users try first is oversampled, more so at the end, when a model remembers best what it reads (as in
Hu et al., 2024, https://arxiv.org/abs/2404.06395)."""

COMMON_IDIOM_USES = 4
"""Least number of uses in the modern sources for an idiom to be repeated under ``common_idioms``."""

_IDIOM_LISTS = ("idioms", "common_idioms")
_MODERN = ("modern_public_domain_books", "lctt_tech_articles", "kdconv_dialogues", "everyday")
_TELLING = 6  # shorter held-out sentences ("他笑了。") occur in other texts by chance

_SENTENCE = re.compile(r"[^。！？!?；;]+[。！？!?；;]*[”’」』）)]*")
_SPACE_BESIDE_HAN = re.compile(r"(?<=[^\x00-\x7f]) +| +(?=[^\x00-\x7f])")
_IDIOM = re.compile(r"^([\u4e00-\u9fff]{4}|[\u4e00-\u9fff]{3,6}，[\u4e00-\u9fff]{3,6})：")
_HAN_RUN = re.compile(r"[\u4e00-\u9fff]{4,}")
_WIDE_PUNCTUATION = {ord(wide): wide for wide in "，。！？；：（）～"}


@dataclass(frozen=True, slots=True)
class Source:
    """One source of training text.

    Attributes:
        name: the corpus file's name without its ending, or the name of a list drawn from one.
        texts: training texts of at most ``max_characters`` characters each.
        shares: the source's shares of all training tokens, early and late, each between 0 and 1.
    """

    name: str
    texts: list[str]
    shares: tuple[float, float]


def normalise(line: str) -> str:
    """Normalise a line to the vocabulary's character forms.

    Full-width letters and digits become ASCII, letters lower-case, 「」『』 the quotes of simplified Chinese, spaces
    beside Chinese characters go (the tokenizer ignores them). Chinese punctuation stays full-width.
    """
    kept = [char if ord(char) in _WIDE_PUNCTUATION else unicodedata.normalize("NFKC", char) for char in line.strip()]
    text = "".join(kept).lower().translate(str.maketrans("「」『』", "“”‘’")).replace("...", "…").replace("⋯", "…")
    return _SPACE_BESIDE_HAN.sub("", " ".join(text.split()))


def sentences(text: str) -> list[str]:
    """Split normalised text after 。！？； and closing quotes."""
    return _SENTENCE.findall(text)


def read_lines(path: Path) -> Iterator[str]:
    """Yield a file's distinct, normalised, non-empty lines."""
    seen: set[int] = set()
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for raw in file:
            line = normalise(raw)
            if line and (digest := hash(line)) not in seen:
                seen.add(digest)
                yield line


def find(corpora: Path, name: str) -> Path:
    """Return the file of a corpus, ours or in ``corpora``.

    Raises:
        FileNotFoundError: neither ``NAME.txt`` nor ``NAME.txt.xz`` exists.
    """
    for path in (TEXT / f"{name}.txt", corpora / f"{name}.txt", corpora / f"{name}.txt.xz"):
        if path.is_file():
            return path
    msg = f"no corpus {name}.txt or {name}.txt.xz in {corpora}: models/demo/README.md says where each comes from"
    raise FileNotFoundError(msg)


def held_out() -> list[tuple[str, str]]:
    """Return the held-out texts as (source name, text)."""
    lines = HELD_OUT.read_text(encoding="utf-8").split("\n")
    return [(name, text) for name, _, text in (line.partition("\t") for line in lines) if text]


def load(corpora: Path, max_characters: int) -> list[Source]:
    """Load every source as texts, without the held-out sentences."""
    secret = {sentence for _, text in held_out() for sentence in sentences(text) if len(sentence) > _TELLING}
    lines = {
        name: [line for line in read_lines(find(corpora, name)) if secret.isdisjoint(sentences(line))]
        for name in SHARES
        if name not in _IDIOM_LISTS
    }
    idioms = [found[1] for line in lines["idioms_explained_and_in_context"] if (found := _IDIOM.match(line))]
    uses = _count_uses(idioms, (line for name in _MODERN for line in lines[name]))
    lists = dict(
        zip(_IDIOM_LISTS, (idioms, [idiom for idiom in idioms if uses[idiom] >= COMMON_IDIOM_USES]), strict=True)
    )
    texts = {name: list(cut(of_source, max_characters)) for name, of_source in lines.items()}
    texts |= {name: [form for idiom in bare for form in (idiom, idiom, f"{idiom}。")] for name, bare in lists.items()}
    return [Source(name, texts[name], shares) for name, shares in SHARES.items() if texts[name]]


def _count_uses(idioms: Iterable[str], lines: Iterable[str]) -> Counter[str]:
    wanted = frozenset(idioms)
    uses: Counter[str] = Counter()
    for line in lines:
        for run in _HAN_RUN.findall(line):
            uses.update(four for start in range(len(run) - 3) if (four := run[start : start + 4]) in wanted)
    return uses


def cut(lines: Iterable[str], max_characters: int) -> Iterator[str]:
    """Split lines into texts of at most ``max_characters``.

    Lines are split at sentence ends. Every third line is split into single sentences, since users mostly type one.
    """
    for number, line in enumerate(lines):
        limit = 1 if number % 3 == 0 else max_characters
        text = ""
        for sentence in sentences(line):
            if text and len(text) + len(sentence) > limit:
                yield text
                text = ""
            text += sentence[: max_characters - len(text)]
        if text:
            yield text


def vocabulary(sources: Iterable[Source], characters: int) -> list[str]:
    """Return special tokens, ASCII and the most common characters.

    ASCII characters are included as whole tokens and as ``##`` continuations.

    Args:
        sources: texts to count, without regard to shares, so that rare characters of the classics are included.
        characters: how many entries in all.
    """
    ascii_words = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    continuations = [f"##{char}" for char in ascii_words if char.isalnum()]
    counts: Counter[str] = Counter()
    for source in sources:
        for text in source.texts:
            counts.update(text)
    for char in (*ascii_words, " "):
        counts.pop(char, None)
    head = [*SPECIAL_TOKENS, *ascii_words, *continuations]
    ranked = sorted(counts, key=lambda char: (-counts[char], char))
    printable = [char for char in ranked if char.isprintable() and not char.isspace()]
    return head + printable[: characters - len(head)]
