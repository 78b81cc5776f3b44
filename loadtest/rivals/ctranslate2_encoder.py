"""Run a checkpoint's encoder with CTranslate2 in int8.

CTranslate2 has no masked-language-model head: the answer is the last layer's hidden states.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from numpy.typing import NDArray


def load_encoder(folder: Path, threads: int) -> Callable[[NDArray[np.int32]], NDArray[np.float32]]:
    """Return the encoder as a function of token ids.

    Token ids are [B, S].
    """
    encoder: Any = ctranslate2.Encoder(str(folder), device="cpu", compute_type="int8", intra_threads=threads)

    def call(ids: NDArray[np.int32]) -> NDArray[np.float32]:
        hidden: NDArray[np.float32] = np.asarray(encoder.forward_batch(ids.tolist()).last_hidden_state)
        return hidden

    return call
