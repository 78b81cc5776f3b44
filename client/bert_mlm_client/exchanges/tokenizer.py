"""Fetch the vocabulary, or compare a file with the server's."""

from pathlib import Path

import numpy as np

from bert_mlm_client.errors import ProtocolError, SignatureNotFoundError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary, check_match


def load_tokenizer(path: Path | None) -> Exchange[Tokenizer]:
    """Make the tokenizer from the server's vocabulary, or from a file that is compared with it.

    A server without the `tokenizer` signature cannot be compared: the file is then taken at its word, and text is cut
    with the defaults of `TokenizerConfig`.

    Raises:
        VocabularyError: the vocabulary is damaged, is not the server's, or cannot be had.
    """
    vocabulary = None if path is None else Vocabulary.read(path)
    outputs = ("vocab", "config") if vocabulary is None else ("config",)
    try:
        [answer] = yield [Request("tokenizer", {"request": np.zeros(1, np.int32)}, outputs)]
    except SignatureNotFoundError as error:
        if vocabulary is None:
            msg = "the model cannot tell its vocabulary; pass the path of its vocab.txt (vocab=…, --vocab)"
            raise VocabularyError(msg) from error
        return Tokenizer(vocabulary, TokenizerConfig())
    if vocabulary is None:
        vocabulary = Vocabulary.parse(_first_string(answer, "vocab"))
    config = TokenizerConfig.parse(_first_string(answer, "config"))
    check_match(vocabulary, config)
    return Tokenizer(vocabulary, config)


def _first_string(answer: Answer, name: str) -> bytes:
    values = answer[name].ravel().tolist()
    if not values or not isinstance(values[0], bytes):
        msg = f"the tokenizer signature's {name} is no string; check that the model was exported by this project"
        raise ProtocolError(msg)
    return values[0]
