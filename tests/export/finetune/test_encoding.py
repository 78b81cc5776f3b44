from pathlib import Path

import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import Vocabulary

from export.checkpoint import load_checkpoint
from export.finetune.encoding import TextEncoder
from export.finetune.errors import LabelledTextError
from export.finetune.examples import Example
from tests.conftest import TINY

CHECKPOINT = load_checkpoint(TINY)
SEP = 3
PATH = Path("train.tsv")


def client_ids(text: str) -> list[int]:
    vocabulary = Vocabulary.parse("\n".join(CHECKPOINT.vocabulary).encode())
    return list(Tokenizer(vocabulary, CHECKPOINT.tokenizer).encode(text, masks=False).input_ids)


def test_texts_are_tokenized_as_by_the_client() -> None:
    texts = ["床前明月光", "abc 他说[MASK]"]
    encoded = TextEncoder(CHECKPOINT, 64).encode(PATH, [Example(1, text, None, ("a",)) for text in texts])
    assert encoded.ids.tolist() == [token for text in texts for token in client_ids(text)]
    assert encoded.lengths.tolist() == [len(client_ids(text)) for text in texts]
    assert encoded.truncated == 0


def test_a_pair_is_joined_by_separators() -> None:
    encoded = TextEncoder(CHECKPOINT, 64).encode(PATH, [Example(1, "明月", "天气", ("a",))])
    first, second = client_ids("明月"), client_ids("天气")
    assert encoded.ids.tolist() == [*first, *second[1:]]


def test_long_texts_are_truncated_and_counted() -> None:
    examples = [Example(7, "明月光", None, ("a",)), Example(8, "明月光是地上霜", None, ("a",))]
    encoded = TextEncoder(CHECKPOINT, 5).encode(PATH, examples)
    assert encoded.lengths.tolist() == [5, 5]
    assert (encoded.truncated, encoded.longest, encoded.longest_line) == (1, 9, 8)


@pytest.mark.parametrize("text", ["\u200b\u200b", "今\x07天"])
def test_a_text_that_the_client_rejects_is_an_error(text: str) -> None:
    with pytest.raises(LabelledTextError, match=r"train.tsv, line 4: "):
        TextEncoder(CHECKPOINT, 64).encode(PATH, [Example(4, text, None, ("a",))])


def test_the_longer_text_of_a_pair_loses_tokens_first() -> None:
    encoded = TextEncoder(CHECKPOINT, 7).encode(PATH, [Example(1, "床前明月光疑是地上霜", "天气", ("a",))])
    assert encoded.ids.tolist() == [*client_ids("床前")[:-1], SEP, *client_ids("天气")[1:]]
    assert (encoded.truncated, encoded.longest) == (1, 15)
