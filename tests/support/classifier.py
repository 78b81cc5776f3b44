"""A scripted model server with a masked language model and a classifier."""

from dataclasses import dataclass, field
from typing import Any

from bert_mlm_client.wire.tensors import Array

from tests.client.scripted import Asked, ScriptedClassifier, ScriptedModel

NAME = "genre"
LABELS = ("诗", "词", "法律", "菜谱", "对话", "技术", "小说", "散文", "成语", "历史", "新闻", "广告")


def genre_classifier() -> ScriptedClassifier:
    """Return a classifier with so many labels that the workbench folds some away."""
    return ScriptedClassifier(name=NAME, labels=LABELS)


@dataclass(slots=True)
class TwoModels(ScriptedModel):
    """A masked language model, and a classifier that a test may take away by another name."""

    classifier: ScriptedClassifier = field(default_factory=genre_classifier)

    def predict(self, asked: Asked) -> dict[str, Array]:
        if asked.model == self.classifier.name:
            return self.classifier.predict(asked)
        return ScriptedModel.predict(self, asked)

    def status(self, name: str, version: int | None) -> list[dict[str, Any]]:
        if name == self.classifier.name:
            return self.classifier.status(name, version)
        return ScriptedModel.status(self, name, version)
