"""Measure the benefit of pre-training for a classifier.

    .venv-torch/bin/python -m models.demo.transfer

Fine-tunes the checkpoint, and the same network from random weights, on the same lines with the same recipe, and prints
the accuracy of each on other lines of the file. A line is a text, a tab and its class.
"""

import argparse
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertForMaskedLM, BertModel

from models.demo.tokenizer import build_tokenizer, read_vocabulary

TRAIN, DEV = 12_800, 4_000
BATCH = 64
LONGEST = 32
WARM_UP = 0.1
DROPOUT = 0.1


class Classifier(nn.Module):
    """An encoder with a linear layer over mean token vectors."""

    def __init__(self, encoder: BertModel, labels: int) -> None:
        super().__init__()
        self.encoder, self.dropout = encoder, nn.Dropout(DROPOUT)
        self.output = nn.Linear(encoder.config.hidden_size, labels)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits [B, L] of 0-padded ids [B, S]."""
        present = (ids != 0).long()
        hidden = self.encoder(ids, attention_mask=present).last_hidden_state
        mean = (hidden * present[..., None]).sum(1) / present.sum(1, keepdim=True)
        return self.output(self.dropout(mean))


def read_titles(path: Path, count: int) -> tuple[list[str], NDArray[np.int64]]:
    """Read texts and class numbers from a file's first lines."""
    with path.open(encoding="utf-8") as file:
        pairs = [line.rstrip("\n").rpartition("\t")[::2] for line, _ in zip(file, range(count), strict=False)]
    names = sorted({name for _, name in pairs})
    return [text for text, _ in pairs], np.array([names.index(name) for _, name in pairs])


def batches(ids: Sequence[list[int]], order: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Yield indices and padded ids of batches of similar length.

    Args:
        ids: the token ids of each text.
        order: indices of the texts to use; equal lengths keep this order.
    """
    by_length = order[np.argsort([len(ids[place]) for place in order], kind="stable")]
    chunks = [by_length[start : start + BATCH] for start in range(0, len(by_length), BATCH)]
    for number in np.random.default_rng(len(order) + int(order[0])).permutation(len(chunks)):
        padded = nn.utils.rnn.pad_sequence([torch.tensor(ids[place]) for place in chunks[number]], batch_first=True)
        yield chunks[number], padded


def fine_tune(model: Classifier, ids: Sequence[list[int]], labels: NDArray[np.int64], rate: float, seed: int) -> None:
    """Train for one epoch with AdamW.

    The learning rate has a warm-up and a linear decay to zero; gradients are clipped to a norm of 1.
    """
    torch.manual_seed(seed)
    steps = -(-len(ids) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (WARM_UP * steps), (steps - step) / ((1 - WARM_UP) * steps))
    )
    order = np.random.default_rng(seed).permutation(len(ids))
    for places, padded in batches(ids, order):
        with torch.autocast("cpu", torch.bfloat16):
            loss = nn.functional.cross_entropy(model(padded).float(), torch.from_numpy(labels[places]))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


def accuracy(model: Classifier, ids: Sequence[list[int]], labels: NDArray[np.int64]) -> float:
    """Return the share of correctly classified texts."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for places, padded in batches(ids, np.arange(len(ids))):
            right += int((model(padded).argmax(-1).numpy() == labels[places]).sum())
    model.train()
    return right / len(ids)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare fine-tuned accuracy from the checkpoint and random weights."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.transfer", description=main.__doc__)
    parser.add_argument("--titles", type=Path, required=True, help="a file of TEXT<tab>CLASS lines")
    parser.add_argument("--model", type=Path, default=Path(__file__).parent, help="checkpoint folder")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3], help="learning rates (default 1e-3)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    options = parser.parse_args(arguments)
    texts, labels = read_titles(options.titles, TRAIN + DEV)
    tokenizer = build_tokenizer(read_vocabulary(options.model / "vocab.txt"))
    ids = [encoding.ids[:LONGEST] for encoding in tokenizer.encode_batch(texts)]
    learned = BertForMaskedLM.from_pretrained(options.model, dtype=torch.float32).bert
    for rate in options.rates:
        for seed in range(1, options.seeds + 1):
            found = {}
            for name in ("checkpoint", "random"):
                torch.manual_seed(seed)
                encoder = (
                    copy.deepcopy(learned)
                    if name == "checkpoint"
                    else BertModel(learned.config, add_pooling_layer=False)
                )
                model = Classifier(encoder, int(labels.max()) + 1)
                fine_tune(model, ids[:TRAIN], labels[:TRAIN], rate, seed)
                found[name] = accuracy(model, ids[TRAIN:], labels[TRAIN:])
            gain = found["checkpoint"] - found["random"]
            print(
                f"rate {rate:g}, seed {seed}: {found['checkpoint']:.3f} and {found['random']:.3f}: {gain:+.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
