"""Text is tokenized exactly as by Hugging Face's BertTokenizer."""

import os
import subprocess
from functools import cache
from pathlib import Path

import bert_mlm_client
import pytest
from bert_mlm_client.errors import InputError, VocabularyError
from bert_mlm_client.tokens import MASK, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st

from export.reference import torch_python
from tests.client import tokenizer_equality as equality
from tests.client.scripted import TOKENS
from tests.torch_environment import needs_torch

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
REAL = Path(os.environ.get("BERT_BASE_CHINESE", ROOT.parent / "shared" / "bert-base-chinese"))
CORPORA = REAL.parent / "corpora"
FOLDERS = {name: folder for name, folder in {"demo": DEMO, "real": REAL}.items() if (folder / "vocab.txt").exists()}
VOCABULARIES = {"small": "\n".join(TOKENS).encode()} | {
    name: (folder / "vocab.txt").read_bytes() for name, folder in FOLDERS.items()
}
CONFIGS = [
    TokenizerConfig(),
    TokenizerConfig(do_lower_case=False),
    TokenizerConfig(strip_accents=False),
    TokenizerConfig(do_lower_case=False, strip_accents=True),
    TokenizerConfig(tokenize_chinese_chars=False),
]
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@cache
def ours(name: str, config: TokenizerConfig) -> Tokenizer:
    return equality.tokenizer(VOCABULARIES[name], config)


@cache
def reference(name: str, config: TokenizerConfig) -> equality.Reference:
    return equality.reference(VOCABULARIES[name], config)


def check_same(name: str, config: TokenizerConfig, text: str) -> None:
    (ids, spans), taken = equality.actual(ours(name, config), text)
    assert (ids, spans) == equality.expected(reference(name, config), text)
    if taken:
        encoded = ours(name, config).encode(text, masks=False)
        mask = VOCABULARIES[name].split(b"\n").index(b"[MASK]")
        assert [encoded.input_ids[place] for place in encoded.mask_positions] == [mask] * text.count(MASK)
        assert [text[start:end] for start, end in encoded.mask_spans] == [MASK] * text.count(MASK)
        assert sorted(set(encoded.mask_spans)) == list(encoded.mask_spans)


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("text", equality.NASTY)
def test_difficult_text_is_tokenized_as_by_hugging_face(name: str, config: TokenizerConfig, text: str) -> None:
    check_same(name, config, text)


@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from([*equality.NASTY, *equality.PIECES, " ", "[", "]"]),
            ANY_TEXT,
            *(st.text(alphabet, max_size=10) for alphabet in equality.ALPHABETS),
        ),
        max_size=8,
    ),
    between=st.sampled_from([MASK, "", " "]),
    config=st.sampled_from(CONFIGS),
    name=st.sampled_from(sorted(VOCABULARIES)),
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_tokenized_as_by_hugging_face(
    parts: list[str], between: str, config: TokenizerConfig, name: str
) -> None:
    check_same(name, config, between.join(parts))


def comparison_of(name: str) -> list[str]:
    """Return arguments to compare real lines, masked lines and random strings."""
    files = [*(DEMO / "text").glob("*.txt"), *(CORPORA.glob("[ux]*.txt.xz") if name == "real" else ())]
    return ["--vocab", str(FOLDERS[name]), *map(str, files), "--lines", "500", "--generated", "1000"]


def assert_all_equal(printed: str) -> None:
    counts = [line.split(": ")[1] for line in printed.splitlines() if " compared, " in line]
    assert len(counts) >= 2
    assert all(" compared, 0 different" in count for count in counts)
    assert all(int(count.split()[0]) > 4000 for count in counts)


@pytest.mark.parametrize("name", FOLDERS)
def test_thousands_of_real_lines_are_tokenized_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert equality.main(comparison_of(name)) == 0
    assert_all_equal(capsys.readouterr().out)


@needs_torch
@pytest.mark.usefixtures("warm_torch")
@pytest.mark.parametrize("name", FOLDERS)
def test_transformers_tokenizes_thousands_of_real_lines_the_same(name: str) -> None:
    done = subprocess.run(
        [torch_python(), "-m", "tests.client.transformers_equality", *comparison_of(name)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(Path(bert_mlm_client.__file__).parents[1]), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_all_equal(done.stdout)


def test_the_comparison_notices_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vocab.txt").write_bytes(VOCABULARIES["small"])
    (tmp_path / "lines.txt").write_text("Ab\n北京\n")
    arguments = ["--vocab", str(tmp_path), str(tmp_path / "lines.txt"), "--generated", "0"]
    assert equality.main(arguments, lambda *_: reference("small", TokenizerConfig())) == 1
    assert "'Ab'" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["[CLS]", "[SEP]", "[PAD]", "[UNK]"])
def test_special_tokens_typed_by_the_user_are_text(typed: str) -> None:
    tokens = (*TOKENS, "[", "]", "cls", "sep", "pad", "unk")
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(tokens).encode()), TokenizerConfig())
    encoded = tokenizer.encode(f"北{typed}[MASK]")
    assert [tokens[number] for number in encoded.input_ids] == [
        "[CLS]", "北", "[", typed[1:-1].lower(), "]", "[MASK]", "[SEP]",
    ]  # fmt: skip
    assert encoded.token_spans == ((0, 0), (0, 1), (1, 2), (2, 5), (5, 6), (6, 12), (12, 12))


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"])
def test_a_vocabulary_without_a_special_token_is_rejected(missing: str) -> None:
    content = "\n".join(token for token in TOKENS if token != missing).encode()
    with pytest.raises(VocabularyError, match=rf"has no \{missing[:-1]}\]"):
        Tokenizer(Vocabulary.parse(content), TokenizerConfig())


def test_a_vocabulary_without_pad_is_enough() -> None:
    content = "\n".join(TOKENS[1:]).encode()
    assert Tokenizer(Vocabulary.parse(content), TokenizerConfig()).encode("[MASK]").input_ids == (1, 3, 2)


def test_a_vocabulary_with_windows_line_ends_is_the_same() -> None:
    tokenizer = Tokenizer(Vocabulary.parse("\r\n".join(TOKENS).encode()), TokenizerConfig())
    assert tokenizer.encode("北京[MASK]") == ours("small", TokenizerConfig()).encode("北京[MASK]")


@pytest.mark.parametrize("text", ["中国的首都", "中国的首[mask]是北京", "<mask>", "[MASK]", "BERT 是[MASK"])
def test_a_mask_is_optional_where_it_is_not_needed(text: str) -> None:
    assert len(ours("small", TokenizerConfig()).encode(text, masks=False).input_ids) > 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty; write a sentence$"),
        ("\x07", "U\\+0007"),
        ("\u200b", "spaces and invisible characters only"),
    ],
)
def test_a_text_without_tokens_is_rejected(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours("small", TokenizerConfig()).encode(text, masks=False)
