"""Define the classifier and its loss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from export.finetune.plan import Plan

_HEAD = ("bert.pooler.", "classifier.")
_WEIGHT_DECAY = 0.01
_BETAS = (0.9, 0.999)


class Classifier(BertForSequenceClassification):
    """BertForSequenceClassification with a choice of pooling.

    ``classifier_pooling`` of the config is ``cls``, or ``mean`` over all tokens that are not padding, as in ModernBERT.
    """

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """Return the logits [B, L]."""
        hidden = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        if self.config.classifier_pooling == "mean":
            weights = attention_mask[:, :, None].to(hidden.dtype)
            hidden = ((hidden * weights).sum(dim=1) / weights.sum(dim=1))[:, None]
        pooled = self.bert.pooler(hidden)  # reads the first position only
        return self.classifier(self.dropout(pooled)).float()


def build_classifier(config: Path, initial: Path | None, seed: int) -> Classifier:
    """Return the classifier before the training.

    Args:
        config: the path of config.json.
        initial: the path of the encoder's weights; None leaves them random.
        seed: of the random weights.
    """
    torch.manual_seed(seed)
    model = Classifier(BertConfig.from_json_file(config))
    if initial is not None:
        found = model.load_state_dict(load_file(initial), strict=False)
        left_out = [name for name in found.missing_keys if not name.startswith(_HEAD)]
        if left_out or found.unexpected_keys:
            msg = f"{initial} does not fit {config}: {left_out} {found.unexpected_keys}"
            raise ValueError(msg)
    return model


def build_optimizer(model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """Return AdamW with BERT's exceptions from weight decay.

    ``fused`` selects one kernel. The default differs between devices, and its results with it.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    plain = [parameter for name, parameter in named if name.endswith("bias") or "LayerNorm" in name]
    decayed = [parameter for name, parameter in named if not (name.endswith("bias") or "LayerNorm" in name)]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": _WEIGHT_DECAY},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=_BETAS, fused=True)


class ClassificationLoss(nn.Module):
    """The cross-entropy, per label if a text can have several.

    Args:
        plan: the label smoothing and the class weights.
    """

    class_weights: Tensor | None

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._multi_label, self._smoothing = plan.multi_label, plan.label_smoothing
        weights = None if plan.class_weights is None else torch.tensor(plan.class_weights)
        self.register_buffer("class_weights", weights)

    def total(self, targets: Tensor) -> Tensor:
        """Return the divisor of a batch's summed loss."""
        if self._multi_label or self.class_weights is None:
            return torch.tensor(float(targets.numel()), device=targets.device)
        return self.class_weights[targets].sum()

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the losses."""
        if self._multi_label:
            smoothed = targets * (1 - self._smoothing) + self._smoothing / 2
            return nn.functional.binary_cross_entropy_with_logits(
                logits, smoothed, pos_weight=self.class_weights, reduction="sum"
            )
        return nn.functional.cross_entropy(
            logits, targets, weight=self.class_weights, label_smoothing=self._smoothing, reduction="sum"
        )


def rate_factor(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Return the learning rate's factor (linear warm-up, linear decay)."""
    rising = max(1, round(steps * warm_up))
    return min((step + 1) / rising, (steps - step) / max(1, steps - rising))


def label_names(config: BertConfig) -> Sequence[str]:
    """Return the labels by id."""
    return [config.id2label[number] for number in range(len(config.id2label))]
