"""Build BERT's tokenizer for a vocabulary, lower-cased."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

UNKNOWN = "[UNK]"


def build_tokenizer(vocabulary: Sequence[str]) -> Tokenizer:
    """Return BERT's tokenizer (Devlin et al., 2018) for a vocabulary."""
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN, continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def read_vocabulary(path: Path) -> list[str]:
    """Read vocab.txt, split at line feeds only.

    Tokens include other separators.
    """
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def id_of(tokenizer: Tokenizer, token: str) -> int:
    """Return the id of a required token.

    Raises:
        ValueError: the vocabulary lacks it.
    """
    number = tokenizer.token_to_id(token)
    if number is None:
        msg = f"the vocabulary has no {token}"
        raise ValueError(msg)
    return number
