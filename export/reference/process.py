"""Start the reference process and send requests to it."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from export.errors import ReferenceModelError
from export.reference.messages import Arrays, read_message, write_message
from export.task import Task

ROOT = Path(__file__).parents[2]


def torch_python() -> Path:
    """Return the Python with PyTorch (``TORCH_PYTHON``, else ``.venv-torch``)."""
    return Path(os.environ.get("TORCH_PYTHON") or ROOT / ".venv-torch" / "bin" / "python")


@dataclass(frozen=True, slots=True)
class ReferenceAnswer:
    """The reference model's outputs for one sentence.

    The sentence has S tokens, of which M are masks.

    Attributes:
        ids: int32 [S], the token ids of the sentence.
        masks: int32 [M], the positions of its masks.
        log_probabilities: float32 [S, V], over the vocabulary at each token.
        hidden: float32 [S, H], the last hidden states.
        attention: float32 [S, S], the last layer's mean over its heads.
    """

    ids: NDArray[np.int32]
    masks: NDArray[np.int32]
    log_probabilities: NDArray[np.float32]
    hidden: NDArray[np.float32]
    attention: NDArray[np.float32]

    @property
    def at_masks(self) -> NDArray[np.float32]:
        """The log-probabilities [M, V] at the masks."""
        return self.log_probabilities[self.masks]

    @property
    def mean(self) -> NDArray[np.float32]:
        """The mean vector [H] of the inner tokens.

        [CLS] and [SEP] are excluded. An empty sentence has zeros.
        """
        inner = self.hidden[1:-1]
        mean: NDArray[np.float32] = inner.mean(axis=0) if len(inner) else np.zeros_like(self.hidden[0])
        return mean


class ReferenceProcess:
    """Hugging Face's model and tokenizer in a separate process.

    Use it as a context manager: the process ends with the block, or with the caller's process. It inherits the caller's
    standard error. It is not thread-safe.

    Args:
        checkpoint: the folder, with weights in safetensors.
        precision: weights are rounded to ``bf16`` or ``fp16`` and widened again before use.
        lower_case: overrides do_lower_case of tokenizer_config.json.

    Attributes:
        mask_id: the id of [MASK].
        special_tokens: the tokens that transformers matches before WordPiece.

    Raises:
        ReferenceModelError: PyTorch is not installed, or transformers cannot load the checkpoint.
    """

    task: ClassVar[Task]

    def __init__(
        self,
        checkpoint: Path,
        *,
        precision: str = "fp32",
        lower_case: bool | None = None,
    ) -> None:
        command = [str(torch_python()), "-m", "export.reference", str(checkpoint)]
        command += ["--task", self.task, "--precision", precision]
        if lower_case is not None:
            command.append("--lower-case" if lower_case else "--no-lower-case")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - trusted arguments
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,  # Ctrl-C only reaches the caller, whose exit closes the pipes
            )
        except OSError as error:
            msg = (
                f"PyTorch is not installed: cannot run {command[0]} ({error.strerror}). `make torch` installs it; "
                "TORCH_PYTHON names another Python that has PyTorch and transformers"
            )
            raise ReferenceModelError(msg) from error
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        try:
            started = self._read()[0]
            self.mask_id = int(started["mask_id"])
            self.special_tokens: list[str] = started["special_tokens"]
        except BaseException:
            self.close()
            raise

    def tokenize(self, text: str, max_length: int | None = None) -> NDArray[np.int32]:
        """Return a text's token ids, truncated to ``max_length``."""
        return np.array(self._ask("tokenize", text=text, max_length=max_length)[0]["ids"], np.int32)

    def tokenize_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the texts' token ids, untruncated."""
        ids: list[list[int]] = self._ask("tokenize_all", texts=list(texts))[0]["ids"]
        return ids

    def close(self) -> None:
        """Kill the process, even during a request."""
        self._process.kill()  # it has no state to save
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(BrokenPipeError):  # a partially sent request
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, call: str, arrays: Arrays | None = None, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        with suppress(BrokenPipeError):  # the process's last message is read below
            write_message(self._requests, {"call": call, "arguments": arguments}, arrays)
        return self._read()

    def _read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            body, arrays = read_message(self._answers)
        except EOFError:
            status = self._process.wait()
            self.close()
            msg = f"the process of the reference model ended with status {status}; standard error says why"
            raise ReferenceModelError(msg) from None
        if "error" in body:
            raise ReferenceModelError(body["error"])
        return body, arrays


class ReferenceModel(ReferenceProcess):
    """Hugging Face's BertForMaskedLM and AutoTokenizer in a separate process."""

    task: ClassVar[Task] = "fill_mask"

    def answer(self, ids: NDArray[np.int32]) -> ReferenceAnswer:
        """Return the model's outputs for a sentence's token ids."""
        masks = np.flatnonzero(ids == self.mask_id).astype(np.int32)
        return ReferenceAnswer(ids, masks, **self._ask("answer", {"ids": ids})[1])

    def fill(self, text: str, *, top_k: int = 5, targets: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return the fill-mask pipeline's answers to a one-mask text."""
        answers: list[dict[str, Any]] = self._ask("fill", text=text, top_k=top_k, targets=targets)[0]["answers"]
        return answers
