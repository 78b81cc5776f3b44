"""The interface of the engines that run a model.

An engine module imports its runtime when it loads a version, so that the server starts without that runtime.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from bert_mlm_client.wire import messages
from numpy.typing import NDArray

__all__ = ["Array", "Engine", "Load", "declared_types"]

Array = NDArray[np.generic]


class Engine(Protocol):
    """One loaded version of a model."""

    @property
    def runs_at_once(self) -> int:
        """The number of batches to run in parallel.

        1 if a single run keeps all cores busy.
        """

    @property
    def signatures(self) -> Mapping[str, messages.SignatureDef]:
        """The version's signatures by name."""

    @property
    def input_types(self) -> Mapping[str, messages.DataType]:
        """The types of the input tensors by graph name.

        The signature may declare another type.
        """

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run a signature.

        Thread-safe.

        Args:
            signature: one of ``signatures``.
            inputs: an array for each of the signature's inputs that has no default.
            outputs: names among the signature's outputs, each once.

        Raises:
            ServingError: the runtime rejected the arrays or failed.
        """

    def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run several signatures on the same inputs.

        They share one run if possible.

        Args:
            inputs: as for ``run``; each signature is fed with them.
            outputs: for each signature, names among its outputs.

        Returns:
            The outputs by signature and name.

        Raises:
            ServingError: as for ``run``.
        """

    def close(self) -> None:
        """Free the version's resources.

        No run may be in progress.
        """


class Load(Protocol):
    """A function that loads the version in a folder."""

    def __call__(self, folder: Path, /) -> Engine:
        """Return the engine of this version."""


def declared_types(signatures: Mapping[str, messages.SignatureDef]) -> dict[str, messages.DataType]:
    """Return the declared types of the inputs by graph name."""
    return {info.name: info.dtype for signature in signatures.values() for info in signature.inputs.values()}
