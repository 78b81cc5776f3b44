"""Run transformers' BertForSequenceClassification on PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertForSequenceClassification, TextClassificationPipeline
from transformers.modeling_outputs import SequenceClassifierOutput

from export.reference.model import Message, TransformersModel


class MeanPooledClassifier(BertForSequenceClassification):
    """BertForSequenceClassification with mean pooling.

    As in ModernBERT, the head reads the mean over all tokens.
    """

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        **options: Any,
    ) -> SequenceClassifierOutput:
        """Return the logits [B, L]."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        encoded = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, **options)
        weights = attention_mask.unsqueeze(-1)
        mean = (encoded.last_hidden_state * weights).sum(dim=1) / weights.sum(dim=1)
        pooled = self.bert.pooler(mean.unsqueeze(1))  # the pooler reads the first position
        return SequenceClassifierOutput(
            logits=self.classifier(self.dropout(pooled)), hidden_states=encoded.hidden_states
        )


class TransformersClassifier(TransformersModel):
    """BertForSequenceClassification in float32 and AutoTokenizer of a checkpoint.

    Args:
        checkpoint: the folder, with weights in safetensors.
        precision: weights are rounded to ``bf16`` or ``fp16`` and widened again.
        lower_case: overrides do_lower_case of tokenizer_config.json.

    Raises:
        ReferenceModelError: the checkpoint has no classifier.
    """

    def __init__(self, checkpoint: Path, precision: str, lower_case: bool | None) -> None:  # noqa: FBT001 - as on the command line
        super().__init__(checkpoint, precision, lower_case, classifier_class(checkpoint))

    def answer(self, ids: NDArray[np.int32], token_types: NDArray[np.int32]) -> Message:
        """Return the outputs of one sentence.

        They are the logits [L] and the last hidden states [S, H].
        """
        with torch.inference_mode():
            out = self.model(
                input_ids=torch.tensor(ids[None].astype(np.int64)),
                token_type_ids=torch.tensor(token_types[None].astype(np.int64)),
                output_hidden_states=True,
            )
        return {}, {"logits": out.logits[0].numpy(), "hidden": out.hidden_states[-1][0].numpy()}

    def tokenize_pair(self, text: str, text_pair: str) -> Message:
        """Return the token ids and types of a text pair."""
        cut = self.tokenizer(text, text_pair)
        return {"ids": cut["input_ids"], "token_types": cut["token_type_ids"]}, {}

    def classify(self, text: str | dict[str, str], top_k: int | None) -> Message:
        """Return the text-classification pipeline's answers to a text or pair."""
        pipeline = TextClassificationPipeline(model=self.model, tokenizer=self.tokenizer)
        return {"answers": pipeline(text, top_k=top_k)}, {}


def classifier_class(checkpoint: Path) -> type[BertForSequenceClassification]:
    """Return the class for a checkpoint's ``classifier_pooling``."""
    config = BertForSequenceClassification.config_class.from_pretrained(checkpoint)
    mean = getattr(config, "classifier_pooling", "cls") == "mean"
    return MeanPooledClassifier if mean else BertForSequenceClassification
