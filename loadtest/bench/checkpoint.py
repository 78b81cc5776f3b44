"""Make a random checkpoint of bert-base-chinese's size."""

import json
import tempfile
from pathlib import Path

from loadtest.random_checkpoint import write_random_checkpoint

DEMO = Path(__file__).parents[2] / "models" / "demo"

_VOCABULARY = 21128
_SHAPE = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "vocab_size": _VOCABULARY,
}
"""https://huggingface.co/google-bert/bert-base-chinese/blob/main/config.json, the fields that shape the graph."""


def ensure_checkpoint(folder: Path) -> Path:
    """Return the checkpoint's folder, writing it if missing.

    The vocabulary is that of models/demo, padded to bert-base-chinese's size with tokens that occur in no text, so that
    sentences are tokenized the same way, one token a character.
    """
    if (folder / "model.safetensors").is_file():
        return folder
    tokens = (DEMO / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    tokens += [f"[unused{number}]" for number in range(_VOCABULARY - len(tokens))]
    tokenizer = json.loads((DEMO / "tokenizer_config.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as like:
        shape = Path(like)
        (shape / "config.json").write_text(json.dumps(_SHAPE), encoding="utf-8")
        (shape / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
        longest = {"model_max_length": _SHAPE["max_position_embeddings"]}
        (shape / "tokenizer_config.json").write_text(json.dumps({**tokenizer, **longest}), encoding="utf-8")
        write_random_checkpoint(shape, folder)
    return folder
