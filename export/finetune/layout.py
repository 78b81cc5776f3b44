"""Name the files of an unfinished training.

For the output DIR, they are in the folder beside it:

    DIR.training/
      settings.json          the options and digests, which --resume must repeat
      plan.json              see ``plan``
      texts.safetensors      see ``encoding``
      initial.safetensors    the encoder's weights
      state.safetensors      the last saved state, written by ``trainer``
      best-N.safetensors     the weights after epoch N, the best so far
      outcome.json           written at the end of the training
      dev.safetensors        the logits of the best weights on dev, in float32
      lock                   locked while a process uses the folder
      result/                becomes DIR
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """Paths of an unfinished training.

    Attributes:
        root: the folder.
    """

    root: Path

    @classmethod
    def of(cls, output: Path) -> "TrainingFolder":
        """Return the folder of the training that writes ``output``."""
        return cls(output.with_name(f"{output.name}.training"))

    @property
    def settings(self) -> Path:
        """Return the path of the options and digests."""
        return self.root / "settings.json"

    @property
    def plan(self) -> Path:
        """Return the path of the plan."""
        return self.root / "plan.json"

    @property
    def texts(self) -> Path:
        """Return the path of the token ids and targets."""
        return self.root / "texts.safetensors"

    @property
    def initial(self) -> Path:
        """Return the path of the weights before the training."""
        return self.root / "initial.safetensors"

    @property
    def state(self) -> Path:
        """Return the path of the last saved state."""
        return self.root / "state.safetensors"

    @property
    def outcome(self) -> Path:
        """Return the path of the finished training's description."""
        return self.root / "outcome.json"

    @property
    def dev_logits(self) -> Path:
        """Return the path of the best weights' logits on dev."""
        return self.root / "dev.safetensors"

    @property
    def lock(self) -> Path:
        """Return the path of the lock."""
        return self.root / "lock"

    @property
    def result(self) -> Path:
        """Return the folder that becomes the output."""
        return self.root / "result"

    def best(self, epoch: int) -> Path:
        """Return the path of the weights after an epoch."""
        return self.root / f"best-{epoch}.safetensors"
