"""Test that the token comparison detects differing tokenizers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import AddedToken, TokenizerConfig, Vocabulary
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers

from export.errors import ParityError, ReferenceModelError
from export.parity.token_ids import compare_ids
from export.reference import ReferenceModel
from tests.conftest import TINY
from tests.torch_environment import needs_torch

VOCABULARY = Vocabulary.read(TINY / "vocab.txt")
PLAIN = TokenizerConfig(do_lower_case=False, max_length=64)
NUM = AddedToken(98, "[NUM]", normalized=False, special=True)
TEXTS = ("床前明月光，疑是地[MASK]霜。",)


def settings(folder: Path, **changed: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def declare(**changed: Any) -> Callable[[Path], None]:
    return lambda folder: settings(folder, **changed)


def added_tokens_json(folder: Path) -> None:
    (folder / "added_tokens.json").write_text('{"[NUM]": 98}')


def tokenizer_json(folder: Path) -> None:
    """Write a tokenizer.json that lower-cases and, other than tokenizer_config.json, decides."""
    backend = Backend(models.WordPiece({token: row for row, token in enumerate(VOCABULARY.tokens)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    backend.save(str(folder / "tokenizer.json"))
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    settings(folder, tokenizer_class="PreTrainedTokenizerFast", **names)


def untie(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in tensors.items() if "decoder" not in name}, folder / "model.safetensors")


def compare(folder: Path, config: TokenizerConfig) -> int:
    with ReferenceModel(folder) as original:
        return compare_ids(Tokenizer(VOCABULARY, config), original, TEXTS)


FLAGS = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}


@needs_torch
@pytest.mark.usefixtures("warm_torch")
@pytest.mark.parametrize(
    ("write", "token"),
    [
        (declare(extra_special_tokens=["[NUM]"]), NUM),
        (declare(additional_special_tokens=["[NUM]"]), NUM),
        (declare(added_tokens_decoder={"98": {"content": "[NUM]", **FLAGS}}), NUM),
        (
            declare(added_tokens_decoder={"98": {"content": "<num>", **FLAGS, "lstrip": True, "special": False}}),
            replace(NUM, content="<num>", lstrip=True, special=False),
        ),
        (declare(extra_special_tokens=["床"]), replace(NUM, id=VOCABULARY.tokens.index("床"), content="床")),
    ],
)
def test_added_tokens_are_compared(write: Callable[[Path], None], token: AddedToken, tiny_copy: Path) -> None:
    write(tiny_copy)
    assert compare(tiny_copy, replace(PLAIN, added_tokens=(token,))) > 50
    if token.content == "床":  # a character is one token with and without being declared
        return
    with pytest.raises(ParityError, match=r"reads '.*' as \[2, .*\], transformers reads it as \[2, ") as raised:
        compare(tiny_copy, PLAIN)
    assert token.content.strip("[<>]").casefold() in str(raised.value).casefold()


@needs_torch
@pytest.mark.usefixtures("warm_torch")
@pytest.mark.parametrize(
    "write",
    [
        added_tokens_json,
        tokenizer_json,
        declare(tokenizer_class="BertJapaneseTokenizer", word_tokenizer_type="mecab"),
        declare(tokenizer_class="RoFormerTokenizer"),
        declare(do_lower_case=True),
        declare(strip_accents=True),
        declare(tokenize_chinese_chars=False),
        untie,
    ],
    ids=["added_tokens.json", "tokenizer.json", "MeCab", "jieba", "capitals", "accents", "Chinese", "untied"],
)
def test_a_checkpoint_that_is_read_as_plain_wordpiece_fails(write: Callable[[Path], None], tiny_copy: Path) -> None:
    write(tiny_copy)
    with pytest.raises((ParityError, ReferenceModelError)):
        compare(tiny_copy, PLAIN)


@needs_torch
@pytest.mark.usefixtures("warm_torch")
def test_flags_are_compared(tiny_copy: Path) -> None:
    settings(tiny_copy, extra_special_tokens=["[NUM]"])
    with ReferenceModel(tiny_copy) as original:
        for changed in ({"single_word": True}, {"content": "[NUN]"}):
            tokenizer = Tokenizer(VOCABULARY, replace(PLAIN, added_tokens=(replace(NUM, **changed),)))
            with pytest.raises(ParityError):
                compare_ids(tokenizer, original, TEXTS)
