"""Run a model and AutoTokenizer of transformers on PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, BertForMaskedLM, FillMaskPipeline, PreTrainedModel, logging

from export.errors import ReferenceModelError

Message = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""The body and the arrays of an answer."""


class TransformersModel:
    """A model in float32 and AutoTokenizer of a checkpoint.

    Args:
        checkpoint: the folder, with weights in safetensors.
        precision: weights are rounded to ``bf16`` or ``fp16`` and widened again.
        lower_case: overrides do_lower_case of tokenizer_config.json.
        architecture: the model's class.

    Attributes:
        model: the model.
        tokenizer: the tokenizer.
        mask_id: the id of [MASK].
        special_tokens: the tokens that are matched before WordPiece.

    Raises:
        ReferenceModelError: the checkpoint lacks weights of this class.
    """

    def __init__(
        self,
        checkpoint: Path,
        precision: str,
        lower_case: bool | None,  # noqa: FBT001 - as on the command line
        architecture: type[PreTrainedModel],
    ) -> None:
        logging.set_verbosity_error()  # hides the warning about a pretraining checkpoint's unused pooler
        logging.disable_progress_bar()
        # Only eager attention returns its weights.
        model, info = architecture.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        if info["missing_keys"]:
            missing = ", ".join(sorted(info["missing_keys"]))
            msg = f"transformers finds no {missing} in {checkpoint}, so there is no reference to compare with"
            raise ReferenceModelError(msg)
        stored = {"fp32": torch.float32, "fp16": torch.float16}.get(precision, torch.bfloat16)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(parameter.to(stored))
        options = {} if lower_case is None else {"do_lower_case": lower_case}
        self.model: Any = model.eval()
        # AutoTokenizer follows tokenizer_class. No code in the checkpoint's folder is run.
        self.tokenizer = AutoTokenizer.from_pretrained(
            checkpoint, local_files_only=True, trust_remote_code=False, **options
        )
        self.mask_id = int(self.tokenizer.mask_token_id)
        self.special_tokens = sorted(self.tokenizer.get_added_vocab())

    def tokenize(self, text: str, max_length: int | None) -> Message:
        """Return a text's token ids with [CLS] and [SEP]."""
        cut = self.tokenizer(text, truncation=max_length is not None, max_length=max_length)
        return {"ids": cut["input_ids"]}, {}

    def tokenize_all(self, texts: list[str]) -> Message:
        """Return the texts' token ids with [CLS] and [SEP], untruncated."""
        return {"ids": self.tokenizer(texts, truncation=False, padding=False)["input_ids"]}, {}


class TransformersMaskedLanguageModel(TransformersModel):
    """BertForMaskedLM in float32 and AutoTokenizer of a checkpoint.

    Args:
        checkpoint: the folder, with weights in safetensors.
        precision: weights are rounded to ``bf16`` or ``fp16`` and widened again.
        lower_case: overrides do_lower_case of tokenizer_config.json.

    Raises:
        ReferenceModelError: the checkpoint has no head for masked language modelling.
    """

    def __init__(self, checkpoint: Path, precision: str, lower_case: bool | None) -> None:  # noqa: FBT001 - as on the command line
        super().__init__(checkpoint, precision, lower_case, BertForMaskedLM)

    def answer(self, ids: NDArray[np.int32]) -> Message:
        """Return the model's outputs for one sentence.

        They are log-probabilities [S, V], last hidden states [S, H] and mean attention of the last layer [S, S].
        """
        with torch.inference_mode():
            out = self.model(
                input_ids=torch.tensor(ids[None].astype(np.int64)), output_attentions=True, output_hidden_states=True
            )
        return {}, {
            "log_probabilities": out.logits[0].log_softmax(-1).numpy(),
            "hidden": out.hidden_states[-1][0].numpy(),
            "attention": out.attentions[-1][0].mean(dim=0).numpy(),
        }

    def fill(self, text: str, top_k: int, targets: Sequence[str] | None) -> Message:
        """Return the fill-mask pipeline's answers to a text."""
        pipeline = FillMaskPipeline(model=self.model, tokenizer=self.tokenizer)
        return {"answers": pipeline(text, top_k=top_k, **({} if targets is None else {"targets": targets}))}, {}
