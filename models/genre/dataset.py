"""Make the genre classifier's training and dev set.

    python -m models.genre.dataset --corpora DIR

Writes ``train.tsv`` and ``dev.tsv``, with the columns ``text`` and ``label``, from corpora whose text may be shared
(``README.md`` lists them with their licences). A passage is one or more whole sentences of a line, cleaned so that
numbering, quotation marks and length do not give its genre away.
"""

import argparse
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from models.demo import corpus

FOLDER = Path(__file__).parent
TRAIN, DEV = FOLDER / "train.tsv", FOLDER / "dev.tsv"

SOURCES = {
    "tang_poem": "poetry_tang_simp",
    "song_ci": "poetry_songci",
    "law": "laws",
    "recipe": "howtocook",
    "dialogue": "kdconv_dialogues",
    "technology": "lctt_tech_articles",
    "classical_novel": "shu_classics_books",
    "modern_prose": "modern_public_domain_books",
    "idiom": "idioms_explained_and_in_context",
    "history": "classical_with_modern",
}
"""The corpus of each genre."""

TRAIN_PASSAGES, DEV_PASSAGES = 1_300, 200
"""Passages of each genre."""

SEED = 20261130

LENGTHS = (range(12, 19), range(19, 26), range(26, 33), range(33, 41))
"""Bands of lengths in characters. Every genre has equally many passages in each."""

_LEAST_HAN = 0.6  # share of Chinese characters: excludes command lines and lists of figures
_TELLING = 5  # characters of a clause that train and dev may not share: a verse has at least five

_NUMERAL = "[一二三四五六七八九十百零〇0-9]"
_NUMBERING = re.compile(
    rf"^(?:[\s\-*#>+•·]+|第{_NUMERAL}+[条章节款回]|[（(]{_NUMERAL}+[)）]"
    rf"|{_NUMERAL}+(?:[、)）]|[.](?![0-9]))|步骤{_NUMERAL}*|[a-z][.、)）])+\s*"
)
_MARKS = str.maketrans(
    {
        **dict.fromkeys("“”‘’「」『』《》〈〉〔〕【】[](){}<>（）＂\"'`*_#|~～", ""),
        **dict.fromkeys("、,—…·", "，"),
        **dict.fromkeys("；：！？;:!?◇", "。"),
    }
)
_REPEATED = re.compile(r"[，。]*。[，。]*|，+")
_USABLE = re.compile(r"[\u4e00-\u9fff〇a-z0-9，。 .%°×±+=/&-]*")  # no lost or private characters, no emoji
_ADDRESS = re.compile(r"https?|www\.")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_IDIOM = re.compile(r"^[\u4e00-\u9fff，]{4,12}：")
_VERNACULAR = re.compile(r"[的了着们这那么吗呢吧]")
_LITERARY = re.compile(r"[之乎者也矣焉哉曰其]")


def clean(line: str) -> str:
    """Reduce a normalised line to plain sentences.

    Numbering, quotation marks and brackets go; ，and 。 are the only marks left.
    """
    text = _NUMBERING.sub("", line).translate(_MARKS)
    text = _REPEATED.sub(lambda marks: "。" if "。" in marks[0] else "，", f"{text}。")
    return text.lstrip("，。 ").replace(" ，", "，").replace(" 。", "。")


def is_vernacular(line: str) -> bool:
    """Return whether vernacular particles clearly outnumber literary ones.

    The collection of classics has histories and philosophers, that of modern authors classical essays.
    """
    return len(_VERNACULAR.findall(line)) > 2 * len(_LITERARY.findall(line))


def is_verse(line: str) -> bool:
    """Return whether a line is a poem.

    The others are editors' notes.
    """
    return "《" not in line


_BELONGS: dict[str, Callable[[str], object]] = {
    "tang_poem": is_verse,
    "song_ci": is_verse,
    "classical_novel": is_vernacular,
    "modern_prose": is_vernacular,
    "idiom": _IDIOM.match,
}


def texts(genre: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the cleaned texts of a genre's lines."""
    belongs = _BELONGS.get(genre, bool)
    for line in lines:
        if belongs(line) and not _ADDRESS.search(line):
            text = clean(_IDIOM.sub("", line) if genre == "idiom" else line)
            if _USABLE.fullmatch(text):
                yield text


def passages(text: str) -> list[str]:
    """Return all runs of whole sentences with a usable length."""
    shortest, longest = LENGTHS[0].start, LENGTHS[-1].stop - 1
    sentences = [f"{sentence}。" for sentence in text.split("。") if sentence]
    runs = []
    for start in range(len(sentences)):
        run = ""
        for sentence in sentences[start:]:
            run += sentence
            if len(run) > longest:
                break
            if len(run) >= shortest and len(_HAN.findall(run)) >= _LEAST_HAN * len(run):
                runs.append(run)
    return runs


def clauses(text: str) -> list[str]:
    """Return the clauses long enough to recognise a text."""
    return [clause for clause in re.split("[，。]", text) if len(clause) >= _TELLING]


def choose(lines: Iterator[list[str]], count: int, rng: random.Random, secret: Collection[str]) -> list[str]:
    """Choose equally many passages of each length band.

    At most one passage is chosen from each line.

    Args:
        lines: the possible passages of each line, consumed as far as needed.
        count: how many to choose.
        rng: the source of randomness.
        secret: clauses that may not occur.

    Raises:
        ValueError: there are too few passages of a length.
    """
    missing = dict.fromkeys(LENGTHS, count // len(LENGTHS))
    chosen: dict[str, None] = {}
    while any(missing.values()):
        try:
            runs = next(lines)
        except StopIteration:
            lacking = " and ".join(
                f"{number} of {band.start} to {band.stop - 1} characters" for band, number in missing.items() if number
            )
            msg = f"too few passages, {lacking} are missing; are these the whole corpora?"
            raise ValueError(msg) from None
        possible = [
            (band, run)
            for run in runs
            for band in LENGTHS
            if len(run) in band and missing[band] and run not in chosen and not any(c in secret for c in clauses(run))
        ]
        if possible:
            band, run = rng.choice(possible)
            missing[band] -= 1
            chosen[run] = None
    return list(chosen)


def make(corpora: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return train and dev set as (text, genre), shuffled.

    A clause of a dev passage or of ``models/demo/text/heldout.txt`` does not occur in the train set, in any genre.

    Raises:
        FileNotFoundError: a corpus is missing.
        ValueError: a corpus is too small.
    """
    rng = random.Random(SEED)  # noqa: S311 - a choice to repeat, not to hide
    lines = {}
    for genre, name in SOURCES.items():
        shuffled = list(corpus.read_lines(corpus.find(corpora, name)))
        rng.shuffle(shuffled)
        lines[genre] = map(passages, texts(genre, shuffled))
    secret = {clause for _, text in corpus.held_out() for clause in clauses(clean(text))}
    dev = [(text, genre) for genre, of_genre in lines.items() for text in choose(of_genre, DEV_PASSAGES, rng, secret)]
    secret.update(clause for text, _ in dev for clause in clauses(text))
    train = [
        (text, genre) for genre, of_genre in lines.items() for text in choose(of_genre, TRAIN_PASSAGES, rng, secret)
    ]
    rng.shuffle(train)
    rng.shuffle(dev)
    return train, dev


def held_out() -> list[tuple[str, str]]:
    """Return passages of held-out texts with their genre.

    There is one passage of each text that ``models/demo`` has not read.
    """
    genres = {name: genre for genre, name in SOURCES.items()}
    return [
        (max(runs, key=len), genres[name])
        for name, line in corpus.held_out()
        for text in texts(genres[name], [line])
        if (runs := passages(text))
    ]


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return the texts and labels of a set."""
    _, *rows = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    texts_, labels = zip(*(row.split("\t") for row in rows), strict=True)
    return list(texts_), list(labels)


def write(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write a set as TSV with a header."""
    lines = ["text\tlabel", *(f"{text}\t{genre}" for text, genre in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the genre classifier's training and dev set."""
    parser = argparse.ArgumentParser(prog="python -m models.genre.dataset", description=main.__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of .txt or .txt.xz files")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the sets (default models/genre)")
    options = parser.parse_args(arguments)
    try:
        sets = make(options.corpora)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    for name, rows in zip((TRAIN.name, DEV.name), sets, strict=True):
        write(options.output / name, rows)
        print(f"{len(rows)} passages -> {options.output / name}")


if __name__ == "__main__":
    main()
