"""Start the reference model as a process of its own and ask it."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from export.errors import ReferenceModelError
from export.reference.messages import Arrays, read_message, write_message

ROOT = Path(__file__).parents[2]


def torch_python() -> Path:
    """Return the Python that has PyTorch: ``TORCH_PYTHON``, else the one in ``.venv-torch``."""
    return Path(os.environ.get("TORCH_PYTHON") or ROOT / ".venv-torch" / "bin" / "python")


@dataclass(frozen=True, slots=True)
class ReferenceAnswer:
    """What the reference model computes for one sentence of S tokens.

    Attributes:
        log_probabilities: float32 [S, V], over the vocabulary at each token.
        hidden: float32 [S, H], the last hidden states.
        attention: float32 [S, S], the last layer's mean over its heads.
    """

    log_probabilities: NDArray[np.float32]
    hidden: NDArray[np.float32]
    attention: NDArray[np.float32]


class ReferenceModel:
    """Hugging Face's BertForMaskedLM and BertTokenizer over a checkpoint folder, in a process of their own.

    Use it as a context manager: the process ends with the block, or with the caller's process. What it writes to
    standard error goes to the caller's. One thread at a time may ask.

    Args:
        checkpoint: the folder with config.json and model.safetensors.
        precision: weights are rounded to ``bf16`` or ``fp16`` and widened again before anything is computed.
        tokenizer: the folder with vocab.txt (default: the checkpoint's).
        lower_case: overrides do_lower_case of tokenizer_config.json.

    Attributes:
        mask_id: the id of [MASK].

    Raises:
        ReferenceModelError: PyTorch is not installed, or transformers cannot load the checkpoint.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        precision: str = "fp32",
        tokenizer: Path | None = None,
        lower_case: bool | None = None,
    ) -> None:
        command = [str(torch_python()), "-m", "export.reference", str(checkpoint), "--precision", precision]
        command += ["--tokenizer", str(tokenizer or checkpoint)]
        if lower_case is not None:
            command.append("--lower-case" if lower_case else "--no-lower-case")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])},
                start_new_session=True,  # Ctrl-C reaches the caller alone, whose end closes the pipes
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
            self.mask_id = int(self._read()[0]["mask_id"])
        except BaseException:
            self.close()
            raise

    def tokenize(self, text: str, max_length: int | None = None) -> NDArray[np.int32]:
        """Return the token ids of a text with [CLS] and [SEP], truncated to ``max_length``."""
        return np.array(self._ask("tokenize", text=text, max_length=max_length)[0]["ids"], np.int32)

    def answer(self, ids: NDArray[np.int32]) -> ReferenceAnswer:
        """Return what the model computes for the token ids [S] of one sentence."""
        return ReferenceAnswer(**self._ask("answer", {"ids": ids})[1])

    def fill(self, text: str, *, top_k: int = 5, targets: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return what transformers' fill-mask pipeline answers to a text with one [MASK]."""
        answers: list[dict[str, Any]] = self._ask("fill", text=text, top_k=top_k, targets=targets)[0]["answers"]
        return answers

    def close(self) -> None:
        """End the process, also in the middle of an answer."""
        self._process.kill()  # it has nothing to save
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(BrokenPipeError):  # a request that was not sent whole
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, call: str, arrays: Arrays | None = None, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        with suppress(BrokenPipeError):  # what the process said before it ended is read below
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
