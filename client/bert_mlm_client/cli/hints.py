"""Spell the library's hints as options of the command line."""

from bert_mlm_client.errors import TRUNCATE, BertMlmError

_OPTIONS = {
    TRUNCATE: "--truncate",
    "top_k": "--top-k",
    "timeout=…": "--timeout",
    "vocab=…": "--vocab",
    "version=…": "--version",
    "TextClassifier": "bert-mlm classify",
    "FillMask": "bert-mlm fill",
    "TextPair(text, text_pair)": "--text-pair, or a field or column text_pair",
}


def message_of(error: BertMlmError) -> str:
    """Return an error's message with the command's options."""
    return error.spelled(_OPTIONS)
