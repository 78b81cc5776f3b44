"""Test that each checkpoint form matches transformers or is rejected."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import Vocabulary

from export import ExportError
from export.checkpoint import ClassifierConfig, load_checkpoint
from export.onnx.session import FloatModel, feeds
from export.reference import torch_python
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

ROOT = Path(__file__).parents[2]
TOLERANCE = 2e-5
"""Tolerance in log-probability. The untrained model's reach -30."""

EQUAL = [
    "plain",
    "extra_special_tokens",
    "added_word",
    "added_word_alone",
    "added_word_in_capitals",
    "added_word_with_spaces",
    "unused_as_special",
    "cased_with_word",
    "additional_special_tokens",
    "added_tokens_decoder",
    "added_tokens_decoder_of_a_character",
    "token_of_its_own_name",
    "extra_special_tokens_by_name",
    "added_tokens_json",
    "added_tokens_of_tokenizer_json",
    "mask_that_takes_spaces",
    "cased",
    "accents_kept",
    "characters_joined",
    "fast_class",
    "tokenizer_json_decides",
    "backend_class",
    "tokenizer_config_decides",
    "tokenizer_json_is_not_bert",
    "saved_by_transformers_5",
    "vocabulary_of_tokenizer_json",
    "padded_vocabulary",
    "carriage_returns",
    "blank_line_at_the_end",
    "sharded",
    "decoder_bias_only",
    "decoder_weight_only",
    "both_twins",
    "without_prefix",
    "half",
    "bfloat16",
    "double",
    "gelu_new",
    "gelu_python",
    "relu",
    "length_null",
    "length_infinite",
    "length_huge",
]

AS_PLAIN = ["byte_order_mark", "saved_in_parallel"]
"""Folders that transformers 5.23 misreads without an error: the first token's name, all weights."""

CLASSIFIERS = ["fine_tuned_classifier"]
"""Folders of BertForSequenceClassification."""

REFUSED = {
    "added_token_without_a_row": r"adds the token '\[NUM\]' with id 100, config.json says vocab_size 100; resize",
    "mecab": "tokenizer_class = 'BertJapaneseTokenizer', which splits words with MeCab",
    "jieba": "tokenizer_class = 'RoFormerTokenizer', which splits words with jieba",
    "sentencepiece": "tokenizer_class = 'AlbertTokenizer', which uses SentencePiece",
    "unknown_class": "tokenizer_class = 'MyTokenizer', which is not known",
    "code_of_its_own": "tokenizer_config.json has auto_map: the tokenizer has custom code",
    "custom_normalizer": "tokenizer.json has the normalizer 'Sequence'; only BertNormalizer",
    "unigram": "tokenizer.json has model.type = 'Unigram'; only 'WordPiece'",
    "other_mask": r"mask_token = '<mask>'; only \[MASK\]",
    "vocabulary_of_another_model": "vocabulary of 102 tokens, config.json says vocab_size 100",
    "no_vocabulary": "vocab.txt",
    "vocabulary_in_latin_1": "vocab.txt: the vocabulary is not UTF-8",
    "missing_shard": r"index\.json names the shard model-\d+-of-\d+\.safetensors, which is missing",
    "damaged_index": r"model\.safetensors\.index\.json is not JSON",
    "float8": "bert.encoder.layer.0.output.dense.weight holds F8_E4M3; save the model in float32",
    "untied": "cls.predictions.decoder.weight differs from bert.embeddings.word_embeddings.weight; BERT ties the two",
    "untied_without_decoder": "has no cls.predictions.decoder.weight, and config.json says tie_word_embeddings = false",
    "pickle_only": "pytorch_model.bin is a pickle, which can run code when it is read: convert it where you trust it",
    "flax_only": "flax_model.msgpack is Flax's: convert it",
    "encoder_only": "is an encoder without its masked-language-model head",
    "truncated": "model.safetensors is damaged or not a safetensors file",
    "not_finite": "cls.predictions.bias holds values that are not finite",
    "silu": "hidden_act = 'silu'; only gelu, gelu_python, gelu_new",
    "relative_positions": "position_embedding_type = 'relative_key'; only 'absolute'",
    "other_model": "model of type 'roberta'; only BERT",
    "no_config": "has no config.json",
    "eps_nan": "layer_norm_eps = nan; write a positive number",
    "eps_text": "layer_norm_eps = '1e-12'; write a positive number",
    "length_text": "model_max_length = '512 tokens'; write how many tokens",
    "length_zero": "model_max_length = 0; write how many tokens",
    "length_negative": "model_max_length = -1; write how many tokens",
    "length_nan": "model_max_length = nan; write how many tokens",
    "length_true": "model_max_length = True; write how many tokens",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("checkpoints")
    command = [str(torch_python()), "-m", "tests.export.make_checkpoints", str(output)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return output


@pytest.fixture(scope="module")
def answers(folders: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folders / "answers.json").read_text(encoding="utf-8"))
    return found


def test_every_folder_is_either_exported_or_rejected(answers: dict[str, Any]) -> None:
    assert sorted([*EQUAL, *AS_PLAIN, *CLASSIFIERS, *REFUSED]) == sorted(answers["answers"])


@pytest.mark.parametrize("name", [*EQUAL, *AS_PLAIN])
def test_a_folder_gives_the_ids_and_answers_of_transformers(name: str, folders: Path, answers: dict[str, Any]) -> None:
    expected = answers["answers"]["plain" if name in AS_PLAIN else name]
    checkpoint = load_checkpoint(folders / name)
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(checkpoint.vocabulary).encode()), checkpoint.tokenizer)
    encoded = [tokenizer.encode(text) for text in answers["texts"]]
    assert [list(one.input_ids) for one in encoded] == expected["ids"]

    named = sum(map(bool, checkpoint.tokens))
    session = FloatModel(checkpoint, top_k=named)
    for one, log_probabilities in zip(encoded, expected["log_probabilities"], strict=True):
        asked = feeds(np.array([one.input_ids], np.int32), np.array([one.mask_positions[:1]], np.int32))
        token_ids, scores = session.run(["token_ids", "scores"], asked)
        assert sorted(token_ids.ravel()) == [number for number, token in enumerate(checkpoint.tokens) if token]
        original = np.array(log_probabilities)[token_ids.ravel()]
        assert np.abs(np.log(scores.ravel()) - original).max() < TOLERANCE


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_transformers_own_labels(name: str, folders: Path) -> None:
    checkpoint = load_checkpoint(folders / name)
    assert checkpoint.classifier == ClassifierConfig(("LABEL_0", "LABEL_1"))
    assert checkpoint.weights["classifier.weight"].shape == (2, checkpoint.config.hidden_size)


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_folder_is_rejected_in_one_sentence(name: str, folders: Path) -> None:
    with pytest.raises(ExportError, match=REFUSED[name]) as refused:
        load_checkpoint(folders / name)
    assert "\n" not in str(refused.value)
