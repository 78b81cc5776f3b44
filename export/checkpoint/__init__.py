"""Read a BERT checkpoint in any published form.

``config`` reads the hyperparameters, ``tokenizer`` and ``vocabulary`` the tokenization, ``weights`` the tensors.
Nothing is unpickled.
"""

from dataclasses import dataclass
from pathlib import Path

from bert_mlm_client.vocabulary import TokenizerConfig

from export.checkpoint.config import BertConfig, read_config
from export.checkpoint.tokenizer import read_tokenizer
from export.checkpoint.weights import Weights, expected_shapes, read_weights
from export.forms import choose_config, choose_form

__all__ = ["BertConfig", "Checkpoint", "Weights", "expected_shapes", "load_checkpoint", "read_config"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint.

    Attributes:
        config: the hyperparameters that determine the graph.
        tokenizer: the tokenizer's settings and added tokens.
        vocabulary: the tokens of vocab.txt by id; there may be fewer than ``config.vocab_size``.
        weights: float32 tensors by Hugging Face's names, read from disk on each access.
    """

    config: BertConfig
    tokenizer: TokenizerConfig
    vocabulary: tuple[str, ...]
    weights: Weights

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

    Args:
        folder: the checkpoint's files (see ``export.forms``).
        lower_case: overrides ``do_lower_case`` of tokenizer_config.json.

    Raises:
        SourceError: a file is missing.
        CheckpointError: a file is damaged, of another architecture, or does not match the other files.
    """
    names = {path.name for path in folder.iterdir()}
    form = choose_form(names, str(folder))
    config = read_config(folder / choose_config(names, str(folder)))
    tokenizer, vocabulary = read_tokenizer(folder, config, lower_case=lower_case)
    return Checkpoint(config, tokenizer, vocabulary, read_weights(folder, form, config))
