"""Read the tokenizer's settings with the precedence of transformers.

The precedence is that of transformers 5 (``AutoTokenizer``, ``TokenizersBackend``): the class in tokenizer_config.json
determines whether the normalizer's settings come from that file or from tokenizer.json. Added tokens come from
``added_tokens_decoder``; if it is missing, from special_tokens_map.json, added_tokens.json and tokenizer.json.
"""

import json
import math
from pathlib import Path
from typing import Any

from bert_mlm_client.errors import VocabularyError
from bert_mlm_client.tokens import Tokenizer as ClientTokenizer
from bert_mlm_client.vocabulary import AddedToken, TokenizerConfig, Vocabulary
from tokenizers import AddedToken as BackendToken
from tokenizers import Tokenizer, models

from export.checkpoint.config import BertConfig
from export.checkpoint.vocabulary import SPECIAL_TOKENS, TOKENIZER_JSON, check_word_piece, read_vocabulary
from export.errors import CheckpointError
from export.json_file import read_json

_BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "ConvBertTokenizer")
"""Classes that are configured by tokenizer_config.json, as BertTokenizer is."""

_FILE_CLASSES = ("PreTrainedTokenizer", "TokenizersBackend")
"""Classes that are configured by tokenizer.json."""

_OTHER_CLASSES = {
    "BertJapaneseTokenizer": "splits words with MeCab or Sudachi",
    "RoFormerTokenizer": "splits words with jieba",
    "BertGenerationTokenizer": "uses SentencePiece",
    "AlbertTokenizer": "uses SentencePiece",
    "XLNetTokenizer": "uses SentencePiece",
    "RoCBertTokenizer": "reads the shapes and sounds of characters",
    "MPNetTokenizer": "has other special tokens",
}

_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_BERT_NAMES = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL_TOKENS, strict=True))

_SHORTEST = 3  # [CLS], a token, [SEP]

_MASK = AddedToken(0, "[MASK]", normalized=False, special=True)
"""The flags of [MASK] in BertTokenizer; the id is a placeholder."""


def read_tokenizer(
    folder: Path, config: BertConfig, *, lower_case: bool | None
) -> tuple[TokenizerConfig, tuple[str, ...]]:
    """Return the tokenizer's settings and the vocabulary by id.

    Args:
        folder: the checkpoint's files.
        config: of the model.
        lower_case: overrides ``do_lower_case``.

    Raises:
        CheckpointError: a file is damaged, the files do not match, or the client could not return the same ids.
    """
    vocabulary = read_vocabulary(folder)
    if len(vocabulary) > config.vocab_size:
        msg = (
            f"{folder} has a vocabulary of {len(vocabulary)} tokens, config.json says vocab_size {config.vocab_size}: "
            "they belong to different models"
        )
        raise CheckpointError(msg)
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    _check_class(folder, path, settings)
    normalizer = (
        _from_tokenizer_json(folder) if _reads_tokenizer_json(folder, settings) else _from_settings(path, settings)
    )
    if lower_case is not None:
        normalizer["do_lower_case"] = lower_case
    tokenizer = TokenizerConfig(
        **normalizer,
        max_length=_max_length(path, settings, config),
        added_tokens=_added_tokens(folder, settings, vocabulary),
    )
    for token in tokenizer.added_tokens:
        if token.id >= config.vocab_size:
            msg = (
                f"{folder} adds the token {token.content!r} with id {token.id}, config.json says vocab_size "
                f"{config.vocab_size}; resize the embeddings (model.resize_token_embeddings) and save the model again"
            )
            raise CheckpointError(msg)
    try:
        ClientTokenizer(Vocabulary.parse("\n".join(vocabulary).encode()), tokenizer)
    except VocabularyError as error:
        msg = f"{folder}: {error}"
        raise CheckpointError(msg) from error
    return tokenizer, vocabulary


def _class_name(folder: Path, settings: dict[str, Any]) -> str:
    name = settings.get("tokenizer_class")
    config = folder / "config.json"
    if name is None and config.is_file():
        name = read_json(config).get("tokenizer_class")
    return str(name or _BERT_CLASSES[0]).removesuffix("Fast")


def _reads_tokenizer_json(folder: Path, settings: dict[str, Any]) -> bool:
    return _class_name(folder, settings) in _FILE_CLASSES


def _check_class(folder: Path, path: Path, settings: dict[str, Any]) -> None:
    name = _class_name(folder, settings)
    if name not in (*_BERT_CLASSES, *_FILE_CLASSES):
        why = _OTHER_CLASSES.get(name, "is not known to cut text as BERT does")
        msg = f"{path} has tokenizer_class = {name!r}, which {why}; only {_BERT_CLASSES[0]} can be exported"
        raise CheckpointError(msg)
    if settings.get("auto_map"):
        msg = f"{path} has auto_map: the tokenizer has custom code; only {_BERT_CLASSES[0]} can be exported"
        raise CheckpointError(msg)
    if settings.get("split_special_tokens"):
        msg = f"{path} has split_special_tokens = true, which would split [MASK]; set it to false"
        raise CheckpointError(msg)


def _from_settings(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the normalizer's settings from tokenizer_config.json, with transformers' defaults."""
    switches: dict[str, Any] = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
    for key, default in switches.items():
        value = settings.get(key, default)
        if not isinstance(value, bool) and not (value is None and key == "strip_accents"):
            msg = f"{path} has {key} = {value!r}; write true or false"
            raise CheckpointError(msg)
        switches[key] = value
    return switches


def _from_tokenizer_json(folder: Path) -> dict[str, Any]:
    """Return the normalizer's settings from tokenizer.json."""
    path = folder / TOKENIZER_JSON
    if not path.is_file():
        msg = f"{folder} has no {TOKENIZER_JSON}, which the tokenizer_class in tokenizer_config.json reads"
        raise CheckpointError(msg)
    content = read_json(path)
    check_word_piece(path, content)
    for key, kind in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        part = content.get(key)
        found = part.get("type") if isinstance(part, dict) else part
        if found != kind:
            msg = f"{path} has the {key} {found!r}; only {kind} can be exported"
            raise CheckpointError(msg)
    normalizer = content["normalizer"]
    if normalizer.get("clean_text") is not True:
        msg = f"{path} has normalizer.clean_text = {normalizer.get('clean_text')!r}; only true can be exported"
        raise CheckpointError(msg)
    ends = [token for token in _backend_of(path, content).encode("").tokens if token]
    if ends != ["[CLS]", "[SEP]"]:
        msg = (
            f"{path} has a post_processor that writes {' '.join(ends) or 'nothing'}; only [CLS] … [SEP] can be exported"
        )
        raise CheckpointError(msg)
    return {
        "do_lower_case": bool(normalizer.get("lowercase")),
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": bool(normalizer.get("handle_chinese_chars")),
    }


def _backend_of(path: Path, content: dict[str, Any]) -> Tokenizer:
    try:
        return Tokenizer.from_str(json.dumps(content | {"truncation": None, "padding": None}))
    except Exception as error:  # the library raises nothing more specific
        msg = f"{path} is damaged: {error}"
        raise CheckpointError(msg) from error


def _max_length(path: Path, settings: dict[str, Any], config: BertConfig) -> int:
    longest = settings.get("model_max_length")
    if longest is None:
        return config.max_position_embeddings
    if type(longest) not in (int, float) or math.isnan(longest) or longest < _SHORTEST:
        msg = f"{path} has model_max_length = {longest!r}; write how many tokens the model reads, at least {_SHORTEST}"
        raise CheckpointError(msg)
    return int(min(longest, config.max_position_embeddings))


def _added_tokens(folder: Path, settings: dict[str, Any], vocabulary: tuple[str, ...]) -> tuple[AddedToken, ...]:
    """Return the added tokens with the ids that tokenizers assigns.

    Added tokens are matched before WordPiece. [CLS], [SEP], [PAD] and [UNK] are excluded, because the client reads
    them as text. [MASK] is included only if its flags differ from the client's default.
    """
    path = folder / TOKENIZER_JSON
    if _reads_tokenizer_json(folder, settings):
        backend = _backend_of(path, read_json(path))
        named = {}
    else:
        backend = Tokenizer(models.WordPiece({token: number for number, token in enumerate(vocabulary)}))
        named = dict(_BERT_NAMES)
    backend.add_tokens(_declared_tokens(folder, settings, named))
    mask = vocabulary.index("[MASK]")
    found = []
    for number, token in sorted(backend.get_added_tokens_decoder().items()):
        added = AddedToken(
            number, token.content, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special
        )
        is_own = token.content in SPECIAL_TOKENS and token.content != "[MASK]"
        if not is_own and added != AddedToken(mask, _MASK.content, normalized=False, special=True):
            found.append(added)
    return tuple(found)


def _declared_tokens(folder: Path, settings: dict[str, Any], named: dict[str, Any]) -> list[BackendToken]:
    """Return the added tokens in transformers' order."""
    settings_path = folder / "tokenizer_config.json"
    by_id: dict[int, BackendToken] = {}
    merged = named | settings
    if "added_tokens_decoder" in settings:
        for number, token in _object(settings_path, "added_tokens_decoder", settings["added_tokens_decoder"]).items():
            by_id[_id(settings_path, number)] = _token(settings_path, token)
    else:
        merged |= _legacy_special_tokens(folder)
        merged.setdefault("extra_special_tokens", settings.get("additional_special_tokens"))
        by_id |= _legacy_added_tokens(folder, merged)
    by_content = {token.content: token for token in reversed(by_id.values())}
    tokens = [by_id[number] for number in sorted(by_id)]
    extra = merged.get("extra_special_tokens") or merged.get("additional_special_tokens") or []
    specials = {key: merged[key] for key in _NAMED if merged.get(key) is not None}
    specials |= {
        key: value
        for key, value in merged.items()
        if key.endswith("_token") and key not in _NAMED and isinstance(value, str | dict)
    }
    if isinstance(extra, dict):
        specials, extra = specials | extra, []
    for key, name in _BERT_NAMES.items():
        if key in specials and _token(settings_path, specials[key]).content != name:
            msg = f"{settings_path} has {key} = {specials[key]!r}; only {name} can be exported"
            raise CheckpointError(msg)
    for value in (*specials.values(), *extra):
        token = _token(settings_path, value, special=True)
        if token.content not in by_content:
            by_content[token.content] = token
            tokens.append(token)
    return tokens


def _legacy_special_tokens(folder: Path) -> dict[str, Any]:
    path = folder / "special_tokens_map.json"
    return read_json(path) if path.is_file() else {}


def _legacy_added_tokens(folder: Path, merged: dict[str, Any]) -> dict[int, BackendToken]:
    """Return the added tokens by id.

    tokenizer.json overrides added_tokens.json.
    """
    path = folder / "added_tokens.json"
    found: dict[int, BackendToken] = {}
    # transformers does not treat additional_special_tokens of special_tokens_map.json as special here.
    extra = merged.get("extra_special_tokens") or []
    special = {_token(path, merged[key]).content for key in _NAMED if merged.get(key)}
    special |= {_token(path, value).content for value in (extra.values() if isinstance(extra, dict) else extra)}
    if path.is_file():
        for content, number in read_json(path).items():
            is_special = content in special
            found[_id(path, number)] = BackendToken(content, normalized=not is_special, special=is_special)
    path = folder / TOKENIZER_JSON
    if path.is_file():
        for token in read_json(path).get("added_tokens") or ():
            found[_id(path, token.get("id") if isinstance(token, dict) else None)] = _token(path, token)
    return found


def _token(path: Path, value: Any, *, special: bool = False) -> BackendToken:
    """Parse a token from a string or object with flags."""
    if isinstance(value, str):
        return BackendToken(value, special=special)
    flags = dict(value) if isinstance(value, dict) else {}
    content = flags.pop("content", None)
    if not isinstance(content, str) or not content:
        msg = f"{path} has the token {value!r}; a token is a string, or an object with content"
        raise CheckpointError(msg)
    known = {key: flags[key] for key in ("single_word", "lstrip", "rstrip", "normalized", "special") if key in flags}
    return BackendToken(content, **({"special": True} if special else {}) | known)


def _id(path: Path, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        msg = f"{path} has the token id {value!r}; write the number of an embedding row"
        raise CheckpointError(msg)
    return number


def _object(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"{path} has {key} = {value!r}; write an object"
        raise CheckpointError(msg)
    return value
