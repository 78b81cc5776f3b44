"""Define the options of a fine-tuning run."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from export.finetune.errors import TrainingError
from export.finetune.examples import Columns
from export.finetune.plan import Pooling, Precision

BALANCED = "balanced"
LONGEST = 128
"""The default limit of tokens per text, that of run_classifier.py."""

_REFERENCE_RATE, _REFERENCE_SIZE = 3e-5, 768
_EXPONENT = 2.5
_LARGEST_RATE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneOptions:
    """The options that determine the result.

    Attributes:
        columns: the columns of both files.
        seed: see ``Plan``, also for the attributes below that ``Plan`` has.
        max_length: the largest number of tokens per text; None is 128, or the checkpoint's limit if that is lower.
        learning_rate: the largest one; None chooses by the model's size.
        hidden_dropout: dropout inside the encoder; None keeps the checkpoint's.
        classifier_dropout: dropout before the classifier.
        layers: the number of layers to keep, from the first; None keeps all.
        pooling: what the classifier reads, the state of [CLS] or the mean over all tokens.
        class_weights: ``balanced``, the path of a JSON object, or None.
        lower_case: overrides do_lower_case of tokenizer_config.json.
    """

    columns: Columns = field(default_factory=Columns)
    seed: int = 1
    epochs: int = 3
    batch_size: int = 64
    accumulate: int = 1
    max_length: int | None = None
    learning_rate: float | None = None
    label_smoothing: float = 0.0
    hidden_dropout: float | None = None
    classifier_dropout: float = 0.1
    mask_characters: float = 0.0
    layers: int | None = None
    pooling: Pooling = "cls"
    patience: int = 2
    precision: Precision = "auto"
    class_weights: str | None = None
    from_scratch: bool = False
    lower_case: bool | None = None

    @property
    def multi_label(self) -> bool:
        """Return whether a text can have several labels."""
        return self.columns.separator is not None

    def recorded(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        values = asdict(self)
        if self.columns.header is not None:
            values["columns"]["header"] = list(self.columns.header)
        return values

    def weights_file(self) -> Path | None:
        """Return the path of the class weights, if any."""
        return None if self.class_weights in (None, BALANCED) else Path(str(self.class_weights))

    def length(self, limit: int) -> int:
        """Return the largest number of tokens per text.

        Raises:
            TrainingError: it is above the checkpoint's limit.
        """
        if self.max_length is None:
            return min(LONGEST, limit)
        if self.max_length > limit:
            msg = f"--max-length {self.max_length} is more than the {limit} tokens that the checkpoint reads; lower it"
            raise TrainingError(msg)
        return self.max_length

    def rate(self, hidden_size: int) -> float:
        """Return the learning rate.

        By default it is 3e-5 x (768 / hidden size)^2.5, rounded to one digit, at most 1e-3. Devlin et al. (2019) use
        2e-5 to 5e-5 for hidden size 768. For 256 the formula gives 5e-4, the best of 2e-4, 5e-4 and 1e-3 for
        models/demo.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        rate = _REFERENCE_RATE * (_REFERENCE_SIZE / hidden_size) ** _EXPONENT
        return float(f"{min(rate, _LARGEST_RATE):.0e}")
