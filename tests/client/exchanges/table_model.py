"""A masked language model with a random table instead of a network."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bert_mlm_client import FillMask
from bert_mlm_client.transport import InProcess
from bert_mlm_client.wire.tensors import Array
from numpy.typing import NDArray

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"一二三四，", "ab", "##c")
MASK = TOKENS.index("[MASK]")
MAX_LENGTH = 40


@dataclass
class TableModel:
    """A model whose logits are table sums over tokens and distances.

    Attributes:
        seed: seed of the table.
        top_k: number of tokens in a fill_mask answer.
        wider: number of extra masks, tokens and candidates in each answer, as from a batch with other requests.
        asked: the signatures and inputs of all requests.
    """

    seed: int = 0
    top_k: int = len(TOKENS)
    wider: int = 0
    asked: list[tuple[str, Mapping[str, Array]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = (2 * MAX_LENGTH + 1, len(TOKENS), len(TOKENS))
        self._table = np.random.default_rng(self.seed).normal(size=shape)

    def client(self) -> FillMask:
        return FillMask(InProcess(self))

    def questions(self) -> list[tuple[str, Mapping[str, Array]]]:
        return [(signature, inputs) for signature, inputs in self.asked if signature != "tokenizer"]

    def probabilities(self, row: Sequence[int], position: int) -> NDArray[np.float64]:
        """The probability of every token at one position of a row."""
        distances = np.arange(len(row)) - position + MAX_LENGTH
        exponentials: NDArray[np.float64] = np.exp(self._table[distances, list(row)].sum(axis=0))
        exponentials /= exponentials.sum()
        return exponentials

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        self.asked.append((signature, inputs))
        answer: dict[str, Array] = getattr(self, f"_{signature}")(inputs)
        assert set(outputs) <= set(answer)
        return answer

    def _at_masks(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """The probabilities [B, M, V]."""
        rows, lengths = inputs["input_ids"].tolist(), inputs["lengths"].tolist()
        return np.array(
            [
                [self.probabilities(row[:length], position) for position in positions]
                for row, length, positions in zip(rows, lengths, inputs["mask_positions"].tolist(), strict=True)
            ],
            np.float32,
        )

    def _fill_mask(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = self._at_masks(inputs)
        token_ids = np.argsort(-found, axis=-1, kind="stable")[..., : self.top_k]
        scores = np.take_along_axis(found, token_ids, axis=-1)
        wider = ((0, 0), (0, self.wider), (0, 0))
        return {"token_ids": np.pad(token_ids.astype(np.int32), wider), "scores": np.pad(scores, wider)}

    def _score_tokens(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = self._at_masks(inputs)
        wanted = np.repeat(inputs["candidate_ids"][:, None].astype(np.int64), found.shape[1], axis=1)
        wider = ((0, 0), (0, self.wider), (0, self.wider))
        return {"scores": np.pad(np.take_along_axis(found, wanted, axis=-1), wider)}

    def _explain(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Attend to a token by its id, the same for every mask."""
        ids = inputs["input_ids"].astype(np.float32)
        attention = np.repeat(ids[:, None], inputs["mask_positions"].shape[1], axis=1)
        wider = ((0, 0), (0, self.wider), (0, self.wider))
        return {"attention": np.pad(attention, wider)}

    def _tokenizer(self, _: Mapping[str, Array]) -> dict[str, Array]:
        vocab = "\n".join(TOKENS).encode()
        config: dict[str, Any] = {
            "do_lower_case": True,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "max_length": MAX_LENGTH,
            "vocab_size": len(TOKENS),
            "vocab_sha256": hashlib.sha256(vocab).hexdigest(),
        }
        return {"vocab": np.array([vocab], object), "config": np.array([json.dumps(config).encode()], object)}


@dataclass
class LookingModel(TableModel):
    """A model with a given total attention to the text."""

    on_text: float = 0.0

    def _explain(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        is_text = inputs["input_ids"].astype(np.int32) > MASK
        attention = self.on_text * is_text / np.maximum(1, is_text.sum(axis=1, keepdims=True))
        attention[:, 0] = 1 - self.on_text
        by_mask = np.repeat(attention[:, None], inputs["mask_positions"].shape[1], axis=1)
        return {"attention": by_mask.astype(np.float32)}


def ids(*tokens: str) -> tuple[int, ...]:
    """Token ids of a row, from [CLS] to [SEP]."""
    return tuple(TOKENS.index(token) for token in ("[CLS]", *tokens, "[SEP]"))
