"""Make the small classifier in ``tiny_classifier/`` and the golden values that Hugging Face's own classes answer with.

    .venv-torch/bin/python -m tests.export.make_golden_classifier

The encoder and the tokenizer are those of ``tiny/``, the pooler is random. Every number in golden.json is
transformers'. The tests make the other kinds of classifier by a change of config.json (``KINDS``).
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from export.reference.classifier_model import classifier_class
from tests.export.make_golden import CHARACTERS, TINY, rounded

TINY_CLASSIFIER = TINY.with_name("tiny_classifier")
LABELS = ("诗", "词", "法律", "recipe 菜谱", "新闻")
TEXTS = (
    "床前明月光，疑是地上霜。",
    "明",
    "iphone 15 的屏很大",
    "他说：“你啊！”",
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    CHARACTERS,
)
PAIRS = (("床前明月光", "疑是地上霜"), ("今天天气真好啊", "适合出去玩"), ("明", "花落知多少"))
SHARPNESS = 0.3
KINDS: dict[str, dict[str, Any]] = {
    "cls": {},
    "mean": {"classifier_pooling": "mean"},
    "pairs": {"classifier_text_pairs": True},
}


def main() -> None:
    """Write the checkpoint and its golden values."""
    TINY_CLASSIFIER.mkdir(exist_ok=True)
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copyfile(TINY / name, TINY_CLASSIFIER / name)
    config = BertConfig.from_pretrained(
        TINY,
        architectures=["BertForSequenceClassification"],
        problem_type="single_label_classification",
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    torch.manual_seed(20260102)
    model = BertForSequenceClassification.from_pretrained(TINY, config=config).eval()
    tokenizer = BertTokenizer.from_pretrained(TINY)
    with torch.no_grad():
        pooler, classifier = model.bert.pooler.dense, model.classifier
        pooler.weight.copy_(torch.randn_like(pooler.weight) * 0.3)
        pooler.bias.copy_(torch.randn_like(pooler.bias) * 0.5)
        # Each label is that of the nearest of the first texts, with a margin that rounding to 8 bits does not change.
        pooled = [model.bert(**tokenizer(text, return_tensors="pt")).pooler_output[0] for text in TEXTS[: len(LABELS)]]
        classifier.weight.copy_(torch.stack(pooled) * SHARPNESS)
        classifier.bias.copy_(-SHARPNESS / 2 * torch.stack(pooled).square().sum(dim=1))
    model.save_pretrained(TINY_CLASSIFIER)
    golden = {kind: _answers(kind, change) for kind, change in KINDS.items()}
    (TINY_CLASSIFIER / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


def _answers(kind: str, change: dict[str, Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as copied:
        folder = Path(copied)
        shutil.copytree(TINY_CLASSIFIER, folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | change), encoding="utf-8")
        model = classifier_class(folder).from_pretrained(folder).eval()
        tokenizer = BertTokenizer.from_pretrained(folder)
    texts = [(text,) for text in TEXTS]
    return [_answer(model, tokenizer, given) for given in (texts if kind != "pairs" else [*PAIRS, *texts])]


def _answer(model: BertForSequenceClassification, tokenizer: BertTokenizer, given: tuple[str, ...]) -> dict[str, Any]:
    encoded = tokenizer(*given, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**encoded).logits[0]
    return {"text": list(given), "input_ids": encoded["input_ids"][0].tolist(), "logits": rounded(logits)}


if __name__ == "__main__":
    main()
