"""Count differences between the client's and Hugging Face's tokenizers.

    python -m tests.client.tokenizer_equality --vocab ../shared/bert-base-chinese ../shared/corpora/*.txt.xz

Compares ids and character spans, with and without lower-casing. The strings are known hard cases, lines of the
files, as they are and with [MASK] put in at random, and random strings over all of Unicode. The reference is the
``tokenizers`` library with the parts that BertTokenizerFast is made of; ``tests.client.transformers_equality`` compares
with BertTokenizerFast itself.
"""

import argparse
import lzma
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tokenizers
from bert_mlm_client.errors import InputError
from bert_mlm_client.tokens import MASK, Span, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from tokenizers import models, normalizers, pre_tokenizers

Cut = tuple[list[int], list[Span]]
Reference = Callable[[str, bool], Cut]
"""Tokenizes a text without [CLS] and [SEP]; with True, special tokens in it are text (``split_special_tokens``)."""

# Special tokens that Hugging Face's tokenizers match anywhere in a text, and this client reads as words.
OTHER_SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
# Ranges of random characters, common ones and those that tokenizers get wrong.
ALPHABETS = (
    "中国的首都是北京今天气很好，。！？、；：「」『』（）《》…—",
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789.,:;!?-_/\\@#$%^&*()[]{}<>|~`'\"+=",
    "".join(map(chr, range(0xFF01, 0xFF5F))),  # full-width forms
    " \t\n\r\u00a0\u2028\u2029\u3000\u1680\u2000\u202f\x0b\x0c\x1c\x85",  # all kinds of space
    "\u0300\u0301\u0302\u0308\u0327\u0338\u0345\u093c\u3099\u20dd\ufe0f",  # combining marks
    "\x00\x01\x07\x1b\x7f\x9f\xad\u200b\u200d\u2060\ufeff\ufffd\ue000\U000e0001",  # removed characters
    "😀👍🏽👨‍👩‍👧‍👦🇨🇳❤️",
    "ÀÉÎõüÿßẞİıſΣςσŁøÆŒﬁﬃǅ\u212a\u212b한국어がガकのไทยעבערית",  # capitals, ligatures and marks that change length
    "𠀀𠀁𪚥豈更㐀〇⺀々\U0002f800\U00030000",  # rare Chinese characters and similar ones
)
PIECES = (MASK, MASK, *OTHER_SPECIAL, "[mask]", "##", "[unused1]", "e\u0301", "x" * 101)

NASTY = (
    "[MASK]",
    "[MASK]是[MASK]",
    "[MASK][MASK][MASK]",
    "中国的首[MASK]是北京。",
    "the quick BERT [MASK] Café naïve ÀÉÎ ﬁ İstanbul ß Σς",
    "全角ＡＢＣ１２３！？：[MASK]，。、；「」『』（）《》",
    "😀👨‍👩‍👧‍👦🇨🇳[MASK]👍🏽 e\u0301 n\u0303",
    "𠀀𠀁𪚥[MASK]豈更",
    "[CLS][SEP][PAD][UNK][MASK][SEP] [SEP]x",
    "a" * 99 + " " + "b" * 100 + " " + "c" * 101 + "[MASK]",
    "[MASK]\u2028[MASK]\u2029\u200b\u200d\ufeff\u00ad",
    "\t[MASK]\r\n[MASK]\n  ",
    "a[MASK]b c##d ##e [MASK]##",
    "2024年1月1日 3.14 100% http://example.com/?a=b&c=d [MASK]",
    "한국어 にほんご カタカナ ไทย עברית العربية [MASK] हिन्दी",
    "[[MASK]] ([MASK])",
    "x\u0300\u0301\u0302[MASK]\u0300y \U000e0001 \ufffd \ue000",
    "[MASK" + "]" * 3 + "[mask][Mask]ＭＡＳＫ［MASK］<mask>",
    "控制\x00字\x07符\x1b[0m\x7f\x85[MASK]\x1f",
    "长" * 600 + "[MASK]" + "句" * 600,
    "   ",
    "\u200b",
    "",
)
"""Strings that are hard to tokenize."""


@dataclass(frozen=True, slots=True)
class Count:
    """Numbers of compared and rejected strings, and the differing ones."""

    compared: int
    different: tuple[str, ...]
    refused: int


def tokenizer(vocabulary: bytes, config: TokenizerConfig) -> Tokenizer:
    """Return the client's tokenizer without a length limit."""
    return Tokenizer(Vocabulary.parse(vocabulary), replace(config, max_length=2**30))


def reference(vocabulary: bytes, config: TokenizerConfig) -> Reference:
    """Return transformers' BERT tokenizer, built from the same library."""
    tokens = vocabulary.removesuffix(b"\n").decode().split("\n")
    built = tokenizers.Tokenizer(
        models.WordPiece({token: number for number, token in enumerate(tokens)}, unk_token="[UNK]")
    )
    built.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.tokenize_chinese_chars,
        strip_accents=config.strip_accents,
        lowercase=config.do_lower_case,
    )
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.add_special_tokens([*OTHER_SPECIAL, MASK])

    def cut(text: str, split_special_tokens: bool) -> Cut:
        built.encode_special_tokens = split_special_tokens
        encoded = built.encode(text, add_special_tokens=False)
        return encoded.ids, encoded.offsets

    return cut


def expected(cut: Reference, text: str) -> Cut:
    """Return the ids and spans of the reference, without [CLS] and [SEP].

    A text with special tokens other than [MASK] is tokenized between its masks, with ``split_special_tokens``.
    """
    if not any(token in text for token in OTHER_SPECIAL):
        return cut(text, False)
    [mask], _ = cut(MASK, False)
    ids: list[int] = []
    spans: list[Span] = []
    place = 0
    for number, part in enumerate(text.split(MASK)):
        if number:
            ids.append(mask)
            spans.append((place, place + len(MASK)))
            place += len(MASK)
        part_ids, part_spans = cut(part, True)
        ids += part_ids
        spans += [(start + place, end + place) for start, end in part_spans]
        place += len(part)
    return ids, spans


def actual(ours: Tokenizer, text: str) -> tuple[Cut, bool]:
    """Return the client's ids and spans, and whether it accepts the text.

    A text that the client rejects, for example one with control characters, is tokenized without that check.
    """
    try:
        encoded = ours.encode(text, masks=False)
    except InputError:
        return ours._tokenize(text), False
    return (list(encoded.input_ids[1:-1]), list(encoded.token_spans[1:-1])), True


def compare(ours: Tokenizer, theirs: Reference, texts: Iterable[str]) -> Count:
    """Tokenize every text with both tokenizers."""
    compared = refused = 0
    different = []
    for text in texts:
        cut, taken = actual(ours, text)
        compared += 1
        refused += not taken
        if cut != expected(theirs, text):
            different.append(text)
    return Count(compared, tuple(different), refused)


def read_lines(path: Path, limit: int, chance: random.Random) -> list[str]:
    """Return random lines of a plain or xz file."""
    content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    lines = content.decode().split("\n")
    return chance.sample(lines, min(limit, len(lines)))


def masked(text: str, chance: random.Random) -> str:
    """Replace up to three characters by [MASK]."""
    characters = list(text)
    for place in chance.choices(range(len(characters)), k=chance.randint(1, 3)) if characters else ():
        characters[place] = MASK
    return "".join(characters)


def random_text(chance: random.Random) -> str:
    """Return a random string of up to 60 pieces."""
    alphabets = chance.sample(ALPHABETS, k=3)
    pieces = []
    for _ in range(chance.randint(1, 60)):
        kind = chance.random()
        if kind < 0.1:
            pieces.append(chance.choice(PIECES))
        elif kind < 0.15:
            code = chance.randrange(0x110000 - 0x800)
            pieces.append(chr(code if code < 0xD800 else code + 0x800))  # all of Unicode but the surrogates
        else:
            pieces.append(chance.choice(chance.choice(alphabets)))
    return "".join(pieces)


def strings(paths: Sequence[Path], lines: int, generated: int, seed: int = 0) -> Iterator[str]:
    """Yield hard cases, lines, masked lines and random strings."""
    yield from NASTY
    chance = random.Random(seed)
    for path in paths:
        for line in read_lines(path, lines, chance):
            yield line
            yield masked(line, chance)
    for _ in range(generated):
        yield random_text(chance)


def main(
    arguments: Sequence[str] | None = None,
    reference: Callable[[bytes, TokenizerConfig], Reference] = reference,
) -> int:
    """Print the comparison; return 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="text, plain or .xz")
    parser.add_argument("--vocab", type=Path, required=True, metavar="DIR", help="the folder of a vocab.txt")
    parser.add_argument("--lines", type=int, default=1000, metavar="N", help="lines of each file (default: 1000)")
    parser.add_argument("--generated", type=int, default=20_000, metavar="N", help="random strings (default: 20000)")
    options = parser.parse_args(arguments)

    vocabulary = (options.vocab / "vocab.txt").read_bytes()
    texts = list(strings(options.files, options.lines, options.generated))
    lengths = sorted(map(len, texts))
    print(f"{options.vocab / 'vocab.txt'}: {len(Vocabulary.parse(vocabulary).tokens)} tokens")
    print(f"{len(texts)} strings of up to {lengths[-1]} characters, {sum(MASK in text for text in texts)} with [MASK]")
    found: list[str] = []
    for lower in (False, True):
        config = TokenizerConfig(do_lower_case=lower)
        count = compare(tokenizer(vocabulary, config), reference(vocabulary, config), texts)
        print(f"do_lower_case={lower}: {count.compared} compared, {len(count.different)} different", end="")
        print(f" ({count.refused} that the client refuses were compared beneath its check)")
        found += count.different
    for text in found[:20]:
        print(f"  {text!r}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
