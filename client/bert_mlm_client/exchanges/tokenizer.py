"""Load the tokenizer from the server or a file."""

from pathlib import Path

import numpy as np

from bert_mlm_client.errors import ProtocolError, SignatureNotFoundError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary, check_match


def load_tokenizer(path: Path | None) -> Exchange[Tokenizer]:
    """Load the tokenizer from the server or from a file.

    A file is compared with the server's vocabulary. Without the `tokenizer` signature there is no comparison, and the
    defaults of `TokenizerConfig` apply.

    Raises:
        VocabularyError: the vocabulary is damaged, does not match the server's, or is not available.
    """
    vocabulary = None if path is None else Vocabulary.read(path)
    outputs = ("vocab", "config") if vocabulary is None else ("config",)
    try:
        [answer] = yield [Request("tokenizer", {"request": np.zeros(1, np.int32)}, outputs)]
    except SignatureNotFoundError as error:
        if vocabulary is None:
            msg = "the model does not return its vocabulary; pass the path of its vocab.txt (vocab=…, --vocab)"
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
        msg = f"the tokenizer signature's {name} is not a string; check that the model was exported by this project"
        raise ProtocolError(msg)
    return values[0]
