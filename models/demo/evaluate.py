"""Measure a checkpoint on held-out text and ten well-known sentences.

.venv-torch/bin/python -m models.demo.evaluate                  # the checkpoint that ships
.venv-torch/bin/python -m models.demo.evaluate --model DIR      # any other
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertForMaskedLM

from models.demo import corpus
from models.demo.ten_lines import TEN_LINES
from models.demo.tokenizer import build_tokenizer, id_of, read_vocabulary

MASKED_SHARE = 0.15
_BATCH = 32


def top_characters(model: BertForMaskedLM, tokenizer: Tokenizer, text: str, count: int = 5) -> list[str]:
    """Return the most probable tokens for a text's first [MASK]."""
    ids = tokenizer.encode(text).ids
    position = ids.index(id_of(tokenizer, "[MASK]"))
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, position]
    return [str(tokenizer.id_to_token(int(i))) for i in logits.topk(count).indices]


def attention_entropy(model: BertForMaskedLM, tokenizer: Tokenizer, *, every: int = 1) -> list[float]:
    """Return each layer's attention entropy over the held-out texts.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        every: use every n-th text only (for a quick check during training).

    Returns:
        For each layer, the mean entropy of its attention over heads and tokens, as a share of the entropy of even
        attention over the text: 1 for even attention, 0 where each token attends to one other alone.
    """
    usual = model.config._attn_implementation  # noqa: SLF001 - transformers has no public way to read it
    model.set_attn_implementation("eager")
    shares: list[list[float]] = []
    for _, text in corpus.held_out()[::every]:
        ids = tokenizer.encode(text).ids[: model.config.max_position_embeddings]
        with torch.inference_mode():
            attentions = model(torch.tensor([ids]), output_attentions=True).attentions
        shares.append([float(torch.special.entr(layer).sum(-1).mean() / np.log(len(ids))) for layer in attentions])
    model.set_attn_implementation(usual)
    return [float(share) for share in np.mean(shares, axis=0)]


def held_out_accuracy(
    model: BertForMaskedLM, tokenizer: Tokenizer, *, every: int = 1, seed: int = 0
) -> dict[str, tuple[int, float, float]]:
    """Return the accuracy on masked tokens of the held-out texts.

    15 % of each text's tokens are replaced by [MASK].

    Args:
        model: the model.
        tokenizer: its tokenizer.
        every: use every n-th text only (for a quick check during training).
        seed: seed for the choice of masked tokens.

    Returns:
        For each source, and for ``all``: (masks, top-1 share, top-5 share).
    """
    texts = corpus.held_out()[::every]
    found: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
    for names, ids, labels in _masked_batches(texts, tokenizer, seed, model.config.max_position_embeddings):
        rows, columns = np.nonzero(labels)
        with torch.inference_mode():
            hidden = model.bert(
                torch.from_numpy(ids), attention_mask=torch.from_numpy(ids != 0).long()
            ).last_hidden_state
            best = model.cls(hidden[rows, columns]).topk(5).indices.numpy()
        hits = best == labels[rows, columns][:, None]
        for row, hit in zip(rows, hits, strict=True):
            found[names[row]].append(hit)
    found["all"] = [hit for hits in found.values() for hit in hits]
    return {
        name: (len(hits), float(np.mean([hit[0] for hit in hits])), float(np.mean([hit.any() for hit in hits])))
        for name, hits in found.items()
    }


def _masked_batches(
    texts: Sequence[tuple[str, str]], tokenizer: Tokenizer, seed: int, longest: int
) -> Iterator[tuple[list[str], NDArray[np.int64], NDArray[np.int64]]]:
    rng = np.random.default_rng(seed)
    mask_id = id_of(tokenizer, "[MASK]")
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        encoded = [tokenizer.encode(text).ids[:longest] for _, text in part]
        ids = np.zeros((len(part), max(map(len, encoded))), np.int64)
        labels = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            candidates = np.flatnonzero(ids[row] > mask_id)
            chosen = rng.choice(candidates, max(1, round(len(candidates) * MASKED_SHARE)), replace=False)
            labels[row, chosen] = ids[row, chosen]
            ids[row, chosen] = mask_id
        yield [name for name, _ in part], ids, labels


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the held-out accuracy and the ten lines' answers."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.evaluate", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent, help="checkpoint folder")
    options = parser.parse_args(arguments)
    model = BertForMaskedLM.from_pretrained(options.model, dtype=torch.float32).eval()
    tokenizer = build_tokenizer(read_vocabulary(options.model / "vocab.txt"))
    print(f"{'held-out source':34}{'masks':>7}{'top-1':>8}{'top-5':>8}")
    for name, (masks, first, among_five) in held_out_accuracy(model, tokenizer).items():
        print(f"{name:34}{masks:7}{first:8.1%}{among_five:8.1%}")
    print(f"attention entropy by layer: {' '.join(f'{layer:.2f}' for layer in attention_entropy(model, tokenizer))}")
    right = 0
    for text, answer in TEN_LINES:
        best = top_characters(model, tokenizer, text)
        right += best[0] == answer
        print(f"{'right' if best[0] == answer else 'wrong'}  {' '.join(best)}  {text}")
    print(f"{right} of {len(TEN_LINES)}")


if __name__ == "__main__":
    main()
