"""Read the vocabulary from vocab.txt or tokenizer.json."""

from pathlib import Path
from typing import Any

from bert_mlm_client.errors import VocabularyError
from bert_mlm_client.vocabulary import Vocabulary

from export.errors import CheckpointError
from export.json_file import read_json

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

VOCAB_TXT = "vocab.txt"
TOKENIZER_JSON = "tokenizer.json"


def read_vocabulary(folder: Path) -> tuple[str, ...]:
    """Return the tokens by id, "" for unused ids.

    If both files exist, transformers prefers tokenizer.json. Both usually have the same tokens, except that
    transformers 5 strips trailing white space: bert-base-chinese's two line separators, U+2028, become "" and "##". So
    vocab.txt is used if the files are otherwise equal.

    Raises:
        CheckpointError: neither file exists, or one is damaged or lacks BERT's special tokens.
    """
    listed, mapped = folder / VOCAB_TXT, folder / TOKENIZER_JSON
    if mapped.is_file():
        path, tokens = mapped, _from_tokenizer_json(mapped)
        if listed.is_file() and _stripped(lines := _from_vocab_txt(listed)) == _stripped(tokens):
            path, tokens = listed, lines
    else:
        path, tokens = listed, _from_vocab_txt(listed)
    if missing := [token for token in SPECIAL_TOKENS if token not in tokens]:
        msg = f"{path} has no {', '.join(missing)}; a BERT vocabulary has {', '.join(SPECIAL_TOKENS)}"
        raise CheckpointError(msg)
    return tokens


def check_word_piece(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return the WordPiece model of a tokenizer.json.

    Raises:
        CheckpointError: the model is not WordPiece with BERT's settings.
    """
    model = content.get("model")
    expected = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    }
    for key, value in expected.items():
        # Older files have no type. The continuation prefix then identifies WordPiece.
        default = value if key != "continuing_subword_prefix" else None
        found = model.get(key, default) if isinstance(model, dict) else None
        if found != value:
            msg = f"{path} has model.{key} = {found!r}; only {value!r} can be exported"
            raise CheckpointError(msg)
    return dict(model or {})


def _from_vocab_txt(path: Path) -> tuple[str, ...]:
    try:
        return _without_trailing_blanks(Vocabulary.read(path).tokens)
    except VocabularyError as error:
        msg = f"{path}: {error}"
        raise CheckpointError(msg) from error


def _from_tokenizer_json(path: Path) -> tuple[str, ...]:
    vocabulary = check_word_piece(path, read_json(path)).get("vocab")
    if not isinstance(vocabulary, dict) or not all(type(number) is int for number in vocabulary.values()):
        msg = f"{path} has no model.vocab; save the tokenizer again (tokenizer.save_pretrained(…))"
        raise CheckpointError(msg)
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        msg = f"{path} has ids that do not count from 0 to {len(vocabulary) - 1}; save the tokenizer again"
        raise CheckpointError(msg)
    tokens = [""] * len(vocabulary)
    for token, number in vocabulary.items():
        tokens[number] = token
    return _without_trailing_blanks(tuple(tokens))


def _without_trailing_blanks(tokens: tuple[str, ...]) -> tuple[str, ...]:
    end = len(tokens)
    while end and not tokens[end - 1]:
        end -= 1
    return tokens[:end]


def _stripped(tokens: tuple[str, ...]) -> tuple[str, ...]:
    return _without_trailing_blanks(tuple(token.rstrip() for token in tokens))
