"""Name the tasks of exported models as Hugging Face does."""

from typing import Literal

Task = Literal["fill_mask", "text_classification"]
