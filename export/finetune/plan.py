"""Describe a training for the process that runs it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

Pooling = Literal["cls", "mean"]
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A training's hyperparameters.

    Attributes:
        seed: of the new weights, the order of the texts, dropout and hidden characters.
        epochs: the largest number of passes over the texts.
        batch_size: texts per optimizer step.
        accumulate: into how many parts a batch is split, to save memory.
        learning_rate: the largest one, after the warm-up.
        label_smoothing: the share of the target that all labels divide.
        mask_characters: the share of tokens that are replaced by [MASK].
        patience: epochs without improvement before the training stops; 0 never stops.
        precision: of the matrix products; ``auto`` is bf16 where the processor multiplies in it.
        save_every_s: seconds between saved states; 0 saves one after every step.
        from_scratch: whether all weights start random.
        multi_label: whether a text can have several labels.
        class_weights: the weight of each label in the loss, or None.
        pad_id: the id of [PAD].
        sep_id: the id of [SEP].
        mask_id: the id of [MASK].
        cls_id: the id of [CLS].
    """

    seed: int
    epochs: int
    batch_size: int
    accumulate: int
    learning_rate: float
    label_smoothing: float
    mask_characters: float
    patience: int
    precision: Precision
    save_every_s: float
    from_scratch: bool
    multi_label: bool
    class_weights: list[float] | None
    pad_id: int
    sep_id: int
    mask_id: int
    cls_id: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write the plan as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
