"""Define the sentences, tolerances and helpers of all comparisons."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from numpy.typing import NDArray

from export.errors import ParityError
from export.quiet import quiet_stderr

TOLERANCE = 1e-4
"""The maximum difference in log-probability, attention or hidden state."""

COMPUTE_TOLERANCE = 0.5
"""The maximum difference with bfloat16 products, whose eight bits of precision may also reorder the best answers."""

TIE = 2e-6
"""The float32 resolution of log-probabilities; closer answers may be in either order."""

NASTY_SENTENCES = (
    "床前明月光，疑是地[MASK]霜。",
    "[MASK]",
    "[MASK][MASK][MASK]",
    "[MASK]国的首都是北[MASK]",
    "中国的首都是[MASK]京。",
    "iPhone 15 Pro Max 的屏[MASK]很大",
    "café naïve ÅNGSTRÖM [MASK] ＡＢＣ１２３",
    "😀👍🏽 表情[MASK]号 👨‍👩‍👧‍👦",
    "𠮷野家的𠮷是异体[MASK]。",
    "他说：“你[MASK]！”……——然后走了",
    "全角　空格\t制表\u2028行分[MASK]",
    "a" * 150 + "[MASK]",
    "用户写了[SEP]和[CLS]，还有[MASK]。",
    "霜横碧[MASK]虹初霽",
    "３．１４１５９[MASK]，约等于π。",
    "今天天气真[MASK]啊，适合出去玩。" * 6,
)
"""Regression sentences for tokenizers and graphs, truncated to the model's maximum length."""


class LoadedVersion:
    """A version's signatures, tokenizer and whitening.

    Args:
        folder: the version's folder.

    Attributes:
        folder: the version's folder.
        signatures: the concrete functions by name.
        vocabulary: ``vocab`` of the ``tokenizer`` signature.
        config: ``config`` of the same signature.
        tokenizer: the client's tokenizer with both.
        whitening: its mean and kernel.

    Raises:
        ParityError: an old export made the version.
    """

    def __init__(self, folder: Path) -> None:
        with quiet_stderr():
            import tensorflow as tf

            model = tf.saved_model.load(str(folder))
        if not hasattr(model, "whiten"):
            msg = f"{folder} was exported before `features` had whitened vectors: export it again"
            raise ParityError(msg)
        self._model = model  # owns the weights of the signatures
        self.folder = folder
        self.signatures: Any = model.signatures
        self.whitening: tuple[NDArray[np.float32], ...] = (model.whiten.mean.numpy(), model.whiten.kernel.numpy())
        answer = run(self.signatures["tokenizer"], request=np.zeros(1, np.int32))
        self.vocabulary: bytes = answer["vocab"][0]
        self.config: bytes = answer["config"][0]
        self.tokenizer = Tokenizer(Vocabulary.parse(self.vocabulary), TokenizerConfig.parse(self.config))


def encode_truncated(tokenizer: Tokenizer, text: str, *, masks: bool) -> NDArray[np.int32]:
    """Return a text's token ids, truncated as transformers does.

    Args:
        tokenizer: the client's tokenizer.
        text: the text.
        masks: require a [MASK].

    Raises:
        InputError: the text has no token, or no [MASK].
    """
    longest = tokenizer.config.max_length
    unbounded = Tokenizer(tokenizer.vocabulary, replace(tokenizer.config, max_length=2**30))
    ids = unbounded.encode(text, masks=masks).input_ids
    return np.array(ids if len(ids) <= longest else (*ids[: longest - 1], ids[-1]), np.int32)


def run(signature: Any, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Run a signature on arrays."""
    return {name: tensor.numpy() for name, tensor in signature(**inputs).items()}


def pad(values: NDArray[np.int32], length: int, filler: int) -> NDArray[np.int32]:
    """Pad an array at its end."""
    return np.concatenate([values, np.full(length - len(values), filler, np.int32)])


def distance(left: NDArray[Any], right: NDArray[Any]) -> float:
    """Return the maximum absolute difference."""
    return float(np.abs(left - right).max())
