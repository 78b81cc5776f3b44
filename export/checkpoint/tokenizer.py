"""Read how text becomes ids."""

from pathlib import Path

from bert_mlm_client.vocabulary import TokenizerConfig

from export.checkpoint.config import BertConfig, read_json
from export.errors import CheckpointError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_tokenizer(
    folder: Path, config: BertConfig, *, lower_case: bool | None
) -> tuple[TokenizerConfig, tuple[str, ...]]:
    """Read the tokenizer's settings and its vocabulary."""
    vocabulary = _read_vocabulary(folder / "vocab.txt", config.vocab_size)
    return _read_tokenizer_config(folder / "tokenizer_config.json", config, lower_case=lower_case), vocabulary


def _read_vocabulary(path: Path, size: int) -> tuple[str, ...]:
    # Split on line feeds alone: two entries of bert-base-chinese are the line separator U+2028.
    try:
        vocabulary = tuple(path.read_bytes().decode().removesuffix("\n").split("\n"))
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8: {error}"
        raise CheckpointError(msg) from error
    if len(vocabulary) != size:
        msg = (
            f"{path} has {len(vocabulary)} entries, config.json says vocab_size {size}: they belong to different models"
        )
        raise CheckpointError(msg)
    missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    if missing:
        msg = f"{path} lacks {', '.join(missing)}: it is not the vocabulary of a BERT"
        raise CheckpointError(msg)
    return vocabulary


def _read_tokenizer_config(path: Path, config: BertConfig, *, lower_case: bool | None) -> TokenizerConfig:
    content = read_json(path) if path.is_file() else {}
    switches: dict[str, bool | None] = {
        "do_lower_case": True,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
    }  # Hugging Face's defaults
    for key, default in switches.items():
        value = content.get(key, default)
        if value is not None and not isinstance(value, bool):
            msg = f"{path} has {key} = {value!r} where true or false belongs"
            raise CheckpointError(msg)
        switches[key] = value
    if lower_case is not None:
        switches["do_lower_case"] = lower_case
    longest = content.get("model_max_length", config.max_position_embeddings)
    max_length = min(int(longest), config.max_position_embeddings)
    return TokenizerConfig(
        do_lower_case=bool(switches["do_lower_case"]),
        strip_accents=switches["strip_accents"],
        tokenize_chinese_chars=bool(switches["tokenize_chinese_chars"]),
        max_length=max_length,
    )
