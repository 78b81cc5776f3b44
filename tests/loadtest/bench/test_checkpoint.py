from pathlib import Path

import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from export.checkpoint import load_checkpoint
from loadtest.bench import checkpoint
from loadtest.sentences import masked_sentences


def test_it_has_berts_vocabulary_size_and_the_demonstrations_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (
        ("hidden_size", 8),
        ("num_hidden_layers", 1),
        ("num_attention_heads", 2),
        ("intermediate_size", 8),
    ):
        monkeypatch.setitem(checkpoint._SHAPE, name, size)
    folder = checkpoint.ensure_checkpoint(tmp_path / "random")
    loaded = load_checkpoint(folder)
    assert loaded.config.vocab_size == len(loaded.vocabulary) == 21128
    assert loaded.tokenizer.max_length == 512
    ours, demo = (
        Tokenizer(Vocabulary.read(path / "vocab.txt"), TokenizerConfig(do_lower_case=loaded.tokenizer.do_lower_case))
        for path in (folder, checkpoint.DEMO)
    )
    for text in masked_sentences(50):
        assert ours.encode(text) == demo.encode(text)


def test_it_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"there already")
    assert checkpoint.ensure_checkpoint(tmp_path) == tmp_path
    assert (tmp_path / "model.safetensors").read_bytes() == b"there already"
