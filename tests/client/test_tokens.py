"""Text is cut exactly as Hugging Face's BertTokenizer cuts it."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client.errors import InputError, VocabularyError
from bert_mlm_client.tokens import MASK, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client import tokenizer_equality as equality
from tests.client.scripted import TOKENS

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
NASTY = [
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
]

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@cache
def ours(name: str, config: TokenizerConfig) -> Tokenizer:
    return equality.tokenizer(VOCABULARIES[name], config)


@cache
def reference(name: str, config: TokenizerConfig) -> Any:
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
@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_is_cut_as_hugging_face_cuts_it(name: str, config: TokenizerConfig, text: str) -> None:
    check_same(name, config, text)


@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from([*NASTY, *equality.PIECES, " ", "[", "]"]),
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
def test_any_text_is_cut_as_hugging_face_cuts_it(
    parts: list[str], between: str, config: TokenizerConfig, name: str
) -> None:
    check_same(name, config, between.join(parts))


@pytest.mark.parametrize("lower", [False, True])
def test_the_tokenizer_in_hugging_faces_own_folder_cuts_the_same(lower: bool) -> None:
    if "real" not in FOLDERS:
        pytest.skip("the folder of bert-base-chinese is not here; name it with BERT_BASE_CHINESE")
    from transformers import AutoTokenizer

    published = AutoTokenizer.from_pretrained(str(REAL), do_lower_case=lower, local_files_only=True)
    for text in NASTY:
        assert equality.actual(ours("real", TokenizerConfig(do_lower_case=lower)), text)[0] == equality.expected(
            published, text
        )


@pytest.mark.parametrize("name", FOLDERS)
def test_thousands_of_real_lines_are_cut_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = [*(DEMO / "text").glob("*.txt"), *(CORPORA.glob("[ux]*.txt.xz") if name == "real" else ())]
    arguments = ["--vocab", FOLDERS[name], *files, "--lines", 500, "--generated", 1000]
    assert equality.main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr().out
    assert printed.count(" compared, 0 different") == 2
    assert int(printed.split("do_lower_case=False: ")[1].split()[0]) > 4000


def test_the_comparison_notices_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vocab.txt").write_bytes(VOCABULARIES["small"])
    (tmp_path / "lines.txt").write_text("Ab\n北京\n")
    monkeypatch.setattr(equality, "reference", lambda *_: reference("small", TokenizerConfig()))
    assert equality.main(["--vocab", str(tmp_path), str(tmp_path / "lines.txt"), "--generated", "0"]) == 1
    assert "'Ab'" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["[CLS]", "[SEP]", "[PAD]", "[UNK]"])
def test_special_tokens_that_somebody_types_are_text(typed: str) -> None:
    tokens = (*TOKENS, "[", "]", "cls", "sep", "pad", "unk")
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(tokens).encode()), TokenizerConfig())
    encoded = tokenizer.encode(f"北{typed}[MASK]")
    assert [tokens[number] for number in encoded.input_ids] == [
        "[CLS]", "北", "[", typed[1:-1].lower(), "]", "[MASK]", "[SEP]",
    ]  # fmt: skip
    assert encoded.token_spans == ((0, 0), (0, 1), (1, 2), (2, 5), (5, 6), (6, 12), (12, 12))


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"])
def test_a_vocabulary_without_a_special_token_is_refused(missing: str) -> None:
    content = "\n".join(token for token in TOKENS if token != missing).encode()
    with pytest.raises(VocabularyError, match=rf"has no \{missing[:-1]}\]"):
        Tokenizer(Vocabulary.parse(content), TokenizerConfig())


def test_a_vocabulary_without_pad_is_enough() -> None:
    content = "\n".join(TOKENS[1:]).encode()
    assert Tokenizer(Vocabulary.parse(content), TokenizerConfig()).encode("[MASK]").input_ids == (1, 3, 2)


def test_a_vocabulary_with_windows_line_ends_is_refused() -> None:
    with pytest.raises(VocabularyError, match="line ends"):
        Tokenizer(Vocabulary.parse("\r\n".join(TOKENS).encode()), TokenizerConfig())


@pytest.mark.parametrize("text", ["中国的首都", "中国的首[mask]是北京", "<mask>", "[MASK]", "BERT 是[MASK"])
def test_a_text_that_needs_no_mask_may_have_none_or_a_misspelt_one(text: str) -> None:
    assert len(ours("small", TokenizerConfig()).encode(text, masks=False).input_ids) > 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty; write a sentence$"),
        ("\x07", "U\\+0007"),
        ("\u200b", "spaces and invisible characters only"),
    ],
)
def test_a_text_that_needs_no_mask_needs_something_to_read(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours("small", TokenizerConfig()).encode(text, masks=False)
