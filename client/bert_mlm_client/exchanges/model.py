"""Load the tokenizer and the task of a model."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bert_mlm_client.errors import ProtocolError, SignatureNotFoundError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.task import ModelTask
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary, check_match

_VOCAB = "vocab=…"


class Model(NamedTuple):
    """Tokenizer and task of a model."""

    tokenizer: Tokenizer
    task: ModelTask


def load_model(path: Path | None) -> Exchange[Model]:
    """Load the vocabulary and the settings of a model.

    The vocabulary comes from a file or the server, the settings from the server. A file is compared with the server's
    vocabulary. Without the `tokenizer` signature there is no comparison, and the defaults of `TokenizerConfig` and
    `ModelTask` apply.

    Raises:
        VocabularyError: the vocabulary is damaged, does not match the server's, or is not available.
    """
    vocabulary = None if path is None else Vocabulary.read(path)
    outputs = ("vocab", "config") if vocabulary is None else ("config",)
    try:
        [answer] = yield [Request("tokenizer", {"request": np.zeros(1, np.int32)}, outputs)]
    except SignatureNotFoundError as error:
        if vocabulary is None:
            msg = f"the model does not return its vocabulary; pass the path of its vocab.txt, {_VOCAB}"
            raise VocabularyError(msg, option=_VOCAB) from error
        return Model(Tokenizer(vocabulary, TokenizerConfig()), ModelTask())
    if vocabulary is None:
        vocabulary = Vocabulary.parse(_first_string(answer, "vocab"))
    content = _first_string(answer, "config")
    config = TokenizerConfig.parse(content)
    check_match(vocabulary, config)
    return Model(Tokenizer(vocabulary, config), ModelTask.parse(content))


def _first_string(answer: Answer, name: str) -> bytes:
    values = answer[name].ravel().tolist()
    if not values or not isinstance(values[0], bytes):
        msg = f"the tokenizer signature's {name} is not a string; check that the model was exported by this project"
        raise ProtocolError(msg)
    return values[0]
