"""What runs a model: one interface, an engine a module.

An engine module imports its runtime only when it loads a version, so that a server without that runtime still starts.
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
        """How many batches to run side by side: one that keeps all cores busy all the time needs no other."""

    @property
    def signatures(self) -> Mapping[str, messages.SignatureDef]:
        """The version's signatures by name."""

    @property
    def input_types(self) -> Mapping[str, messages.DataType]:
        """The type of each tensor that a signature feeds, by its name in the graph; a signature may say another."""

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run a signature; called from several threads at a time.

        Args:
            signature: one of ``signatures``.
            inputs: an array for each of the signature's inputs that has no default.
            outputs: names among the signature's outputs, each once.

        Raises:
            ServingError: the runtime refused the arrays or failed.
        """

    def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run several signatures on the same inputs, in one run where the runtime can.

        Args:
            inputs: as for ``run``; each signature is fed with them, whatever tensors of the graph it reads.
            outputs: for each signature, names among its outputs.

        Returns:
            The outputs by signature and name.

        Raises:
            ServingError: as for ``run``.
        """

    def close(self) -> None:
        """Free what the version holds; nothing runs any more."""


class Load(Protocol):
    """Loads the version in a folder, or raises what went wrong."""

    def __call__(self, folder: Path, /) -> Engine:
        """Return the engine that runs this version."""


def declared_types(signatures: Mapping[str, messages.SignatureDef]) -> dict[str, messages.DataType]:
    """Return the types that signatures declare for their inputs, by the tensors' names in the graph."""
    return {info.name: info.dtype for signature in signatures.values() for info in signature.inputs.values()}
