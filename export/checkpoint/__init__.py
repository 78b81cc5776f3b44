"""Read a BERT checkpoint in any published form.

``config`` reads the hyperparameters, ``classifier`` the labels of a classification head, ``tokenizer`` and
``vocabulary`` the tokenization, ``weights`` the tensors. Nothing is unpickled.
"""

from dataclasses import dataclass
from pathlib import Path

from bert_mlm_client.vocabulary import TokenizerConfig

from export.checkpoint.classifier import ARCHITECTURE, ClassifierConfig, architectures, read_classifier
from export.checkpoint.config import BertConfig, read_config
from export.checkpoint.tokenizer import read_tokenizer
from export.checkpoint.weights import Weights, expected_shapes, has_classifier, read_weights
from export.forms import WeightForm, choose_config, choose_form
from export.task import Task

__all__ = [
    "BertConfig",
    "Checkpoint",
    "ClassifierConfig",
    "Weights",
    "expected_shapes",
    "load_checkpoint",
    "read_config",
]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint.

    Attributes:
        config: the hyperparameters that determine the graph.
        tokenizer: the tokenizer's settings and added tokens.
        vocabulary: the tokens of vocab.txt by id; there may be fewer than ``config.vocab_size``.
        weights: float32 tensors by Hugging Face's names, read from disk on each access.
        classifier: the settings of the classification head; None if the checkpoint is a masked language model.
    """

    config: BertConfig
    tokenizer: TokenizerConfig
    vocabulary: tuple[str, ...]
    weights: Weights
    classifier: ClassifierConfig | None = None

    @property
    def task(self) -> Task:
        """The task of the model."""
        return "text_classification" if self.classifier else "fill_mask"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor by Hugging Face's name."""
        return expected_shapes(self.config, self.classifier)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The token of each embedding row.

        Added tokens are included. Unnamed rows have "".
        """
        tokens = [*self.vocabulary, *[""] * (self.config.vocab_size - len(self.vocabulary))]
        for token in self.tokenizer.added_tokens:
            tokens[token.id] = token.content
        return tuple(tokens)


def load_checkpoint(folder: Path, *, lower_case: bool | None = None) -> Checkpoint:
    """Load the checkpoint in a folder.

    It is a classifier if config.json names BertForSequenceClassification, or names no class and the file has the
    weights of one; else it is a masked language model.

    Args:
        folder: the checkpoint's files (see ``export.forms``).
        lower_case: overrides ``do_lower_case`` of tokenizer_config.json.

    Raises:
        SourceError: a file is missing.
        CheckpointError: a file is damaged, of another architecture, or does not match the other files.
    """
    names = {path.name for path in folder.iterdir()}
    form = choose_form(names, str(folder))
    path = folder / choose_config(names, str(folder))
    config = read_config(path)
    classifier = read_classifier(path, config) if _is_classifier(path, form) else None
    tokenizer, vocabulary = read_tokenizer(folder, config, lower_case=lower_case)
    return Checkpoint(config, tokenizer, vocabulary, read_weights(folder, form, config, classifier), classifier)


def _is_classifier(path: Path, form: WeightForm) -> bool:
    named = architectures(path)
    return ARCHITECTURE in named if named else has_classifier(path.parent, form)
