"""Train the demonstration checkpoint from scratch.

    .venv-torch/bin/python -m models.demo.train --corpora DIR --output models/demo

Reads plain text (``corpus``), packs it (``packing``) and trains a small BERT for masked language modelling on a CPU or
a GPU. The same command resumes an interrupted run from the last state in ``--work``.
"""

import argparse
import json
import math
import time
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, load_model, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM

from models.demo import corpus
from models.demo.evaluate import attention_entropy, held_out_accuracy, top_characters
from models.demo.packing import Packer
from models.demo.ten_lines import TEN_LINES
from models.demo.tokenizer import build_tokenizer

LENGTH = 128
VOCABULARY = 8_000
PLATEAU = 0.4
"""The fraction of the run at which the learning rate starts to decay and the sources' late shares begin."""
LEAST_ENTROPY = 0.6
"""The minimum attention entropy of a layer without a penalty, relative to uniform attention."""
LARGEST_SINK = 0.3
"""The maximum share of a layer's attention from masked tokens to sinks without a penalty."""
COLLAPSED = 0.1
"""The relative attention entropy below which a warm start reinitialises a layer's attention."""
SAVE_EVERY_S = 300
REPORT_EVERY_S = 30


def build_model(vocabulary: int) -> BertForMaskedLM:
    """Return the untrained model, a small BERT.

    It has no dropout, because the text is not repeated often enough to overfit.
    """
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        type_vocab_size=2,
        architectures=["BertForMaskedLM"],
        attn_implementation="eager",  # the only implementation that returns the attention, which the loss needs
    )
    return BertForMaskedLM(config)


class MaskedLoss(nn.Module):
    """The masked-token loss with a penalty for attention collapse.

    The head runs only for the masked tokens. Without the penalty, a small model puts its attention on [CLS] and on
    punctuation (attention sinks, Xiao et al., 2023, https://arxiv.org/abs/2309.17453), and its upper layers exchange no
    information between tokens. The penalty of a layer is the shortfall of its entropy below ``LEAST_ENTROPY``, over all
    tokens and over the masked ones, plus the excess of the masked tokens' attention to sinks above ``LARGEST_SINK``.

    Args:
        model: the model to train.
        sinks: bool [V], whether a token of the vocabulary is a sink.
    """

    sinks: Tensor

    def __init__(self, model: BertForMaskedLM, sinks: Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("sinks", sinks.float(), persistent=False)

    def forward(self, ids: Tensor, positions: Tensor, segments: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats plus the penalty."""
        together = segments[:, None, :, None] == segments[:, None, None, :]
        # An additive mask, because eager attention would add a boolean mask as 0 and 1 instead of applying it.
        apart = torch.zeros(together.shape).masked_fill(~together, torch.finfo(torch.float32).min).to(ids.device)
        out = self.model.bert(input_ids=ids, position_ids=positions, attention_mask=apart, output_attentions=True)
        masked = out.last_hidden_state.reshape(-1, out.last_hidden_state.shape[-1])[targets]
        loss = nn.functional.cross_entropy(self.model.cls(masked).float(), labels)
        even = together.sum(-1).clamp(min=2).log()
        is_sink = self.sinks[ids][:, None, :, None]
        for attention in out.attentions:
            weights = attention.float()
            # The gradient of x log x is infinite at 0, the weight of every token of another text.
            share = -torch.xlogy(weights, weights + 1e-9).sum(-1) / even
            by_token = share.mean(dim=1).flatten()
            for tokens in (
                segments.flatten() > 0,
                targets,
            ):  # without the second term, only the masked tokens would collapse
                loss = loss + (LEAST_ENTROPY - by_token[tokens].mean()).clamp(min=0)
            to_sinks = (weights @ is_sink).mean(dim=1).flatten()[targets].mean()
            loss = loss + (to_sinks - LARGEST_SINK).clamp(min=0)
        return loss


def sinks(vocabulary: Sequence[str]) -> Tensor:
    """Return the mask of sink tokens [V].

    Sinks are punctuation and the special tokens except [MASK].
    """
    special = set(corpus.SPECIAL_TOKENS) - {"[MASK]"}
    is_sink = [token in special or (len(token) == 1 and unicodedata.category(token)[0] == "P") for token in vocabulary]
    return torch.tensor(is_sink)


def restart_attention(model: BertForMaskedLM, layers: Iterable[int]) -> None:
    """Reinitialise the attention of layers.

    The new attention is nearly uniform, and its output is 0 at first.
    """
    for layer in layers:
        attention = model.bert.encoder.layer[layer].attention
        for part in (attention.self.query, attention.self.key, attention.self.value):
            nn.init.normal_(part.weight, std=model.config.initializer_range)
            nn.init.zeros_(part.bias)
        nn.init.zeros_(attention.output.dense.weight)


def build_optimizers(model: BertForMaskedLM) -> list[torch.optim.Optimizer]:
    """Return the optimizers.

    Muon (Jordan et al., 2024) trains the encoder's matrices, AdamW the rest. AdamW also trains the query and key
    matrices, with a lower learning rate: with Muon's uniform step size, their products grow until attention collapses
    onto one token. Weight decay keeps Muon's matrices small (Liu et al., 2025, https://arxiv.org/abs/2502.16982);
    fine-tuning would hardly change large ones.
    """
    named = dict(model.named_parameters())
    attention = [name for name in named if name.endswith((".query.weight", ".key.weight"))]
    matrices = [name for name in named if ".encoder." in name and named[name].ndim == 2 and name not in attention]
    rest = [name for name in named if name not in attention and name not in matrices]
    return [
        torch.optim.Muon([named[name] for name in matrices], lr=0.015, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(
            [
                {"params": [named[name] for name in attention], "lr": 0.0005, "weight_decay": 0.1},
                {"params": [named[name] for name in rest], "lr": 0.002, "weight_decay": 0.01},
            ],
            betas=(0.9, 0.98),
            fused=True,
        ),
    ]


def rate_at(progress: float) -> float:
    """Return the learning rate's factor (warm-up, plateau, linear decay)."""
    return min(1.0, progress / 0.01 + 0.001, (1.0 - progress) / (1.0 - PLATEAU))


class Run:
    """A resumable training run.

    Its state is two files in ``folder``, without pickles: tensors as safetensors, the step and the settings as JSON.
    """

    def __init__(self, folder: Path, model: BertForMaskedLM, settings: dict[str, Any]) -> None:
        self._tensors, self._facts = folder / "state.safetensors", folder / "state.json"
        self._settings = settings
        self.model, self.optimizers = model, build_optimizers(model)
        self.step, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if self._facts.exists():
            self._load()

    def _load(self) -> None:
        facts = json.loads(self._facts.read_text())
        if facts["settings"] != self._settings:
            msg = (
                f"{self._facts} belongs to a run with {facts['settings']}, not {self._settings}: choose another --work"
            )
            raise SystemExit(msg)
        self.step, self.seconds = facts["step"], facts["seconds"]
        tensors = load_file(self._tensors)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model/{name}"])
        for number, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Tensor]] = {}
            for key, tensor in tensors.items():
                kind, *place = key.split("/")
                if kind == "optimizer" and int(place[0]) == number:
                    state.setdefault(int(place[1]), {})[place[2]] = tensor
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def save(self) -> None:
        """Write the state.

        An interrupted write keeps the previous tensors.
        """
        tensors = {f"model/{name}": parameter.detach() for name, parameter in self.model.named_parameters()}
        for number, optimizer in enumerate(self.optimizers):
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {
                    f"optimizer/{number}/{index}/{key}": torch.as_tensor(value) for key, value in values.items()
                }
        fresh = self._tensors.with_suffix(".new")
        save_file(tensors, fresh)
        fresh.replace(self._tensors)
        facts = {"step": self.step, "seconds": self.seconds, "settings": self._settings}
        self._facts.write_text(json.dumps(facts, indent=2))

    def learn(self, loss_of: MaskedLoss, packer: Packer, progress: float) -> float:
        """Train one step and return its loss."""
        batch = packer.batch(self.step, late=progress > PLATEAU)
        device = self.model.device
        arrays = (batch.input_ids, batch.positions, batch.segments, batch.targets, batch.labels)
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(*(torch.from_numpy(array).to(device) for array in arrays))
        loss.backward()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("peak_lr", group["lr"]) * rate_at(progress)
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return float(loss.detach())


def write_checkpoint(model: BertForMaskedLM, vocabulary: Sequence[str], folder: Path) -> None:
    """Write the checkpoint in Hugging Face's format in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        rescale_embeddings(model)
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(model.config.to_json_string())
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    facts = {"do_lower_case": True, "model_max_length": LENGTH, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts, indent=2) + "\n")


def rescale_embeddings(model: BertForMaskedLM) -> None:
    """Rescale the embeddings without changing the outputs.

    The new size is that at the start of training. A layer normalisation directly after the embeddings removes the
    scale, and the head's layer normalisation is divided by it to keep the logits. Fine-tuning changes each weight by
    about its learning rate, so it would hardly change large embeddings.
    """
    factor = model.config.initializer_range / model.bert.embeddings.word_embeddings.weight.std()
    embeddings = model.bert.embeddings
    for table in (embeddings.word_embeddings, embeddings.position_embeddings, embeddings.token_type_embeddings):
        table.weight *= factor
    head = model.cls.predictions.transform.LayerNorm
    head.weight /= factor
    head.bias /= factor


def train(options: argparse.Namespace) -> None:
    """Train for the token budget and write the checkpoint."""
    sources = corpus.load(options.corpora, LENGTH - 2)
    vocabulary = corpus.vocabulary(sources, VOCABULARY)
    tokenizer = build_tokenizer(vocabulary)
    packer = Packer(sources, tokenizer, length=LENGTH, rows=options.rows, seed=options.seed)
    print(
        f"{packer.tokens / 1e6:.1f} M tokens in {len(sources)} sources, {len(vocabulary)} vocabulary entries",
        flush=True,
    )

    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_model(len(vocabulary)).to(device)
    print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters on {device}", flush=True)
    run = Run(options.work, model, {"seed": options.seed, "rows": options.rows, "vocabulary": len(vocabulary)})
    if options.start and run.step == 0:
        load_model(model, options.start / "model.safetensors")
        entropies = attention_entropy(model, tokenizer, every=20)
        restart_attention(model, [layer for layer, entropy in enumerate(entropies) if entropy < COLLAPSED])
    loss_of = MaskedLoss(model, sinks(vocabulary).to(device))
    if options.compile:
        loss_of.compile()
    report(model, tokenizer)

    steps = math.ceil(options.tokens / (options.rows * LENGTH))
    losses: list[float] = []
    begun = reported = saved = time.monotonic()
    before = run.seconds
    try:
        while run.step < steps:
            losses.append(run.learn(loss_of, packer, run.step / steps))
            now = time.monotonic()
            run.seconds = before + now - begun
            if now - reported > REPORT_EVERY_S:
                left = run.seconds / run.step * (steps - run.step)
                print(f"step {run.step}/{steps}  loss {np.mean(losses):.3f}  {left / 60:.0f} min left", flush=True)
                losses, reported = [], now
            if now - saved > SAVE_EVERY_S:
                run.save()
                report(model, tokenizer)
                saved = time.monotonic()
    finally:
        run.save()
    write_checkpoint(model, vocabulary, options.output)
    print(f"{run.step * options.rows * LENGTH / 1e6:.1f} M tokens in {run.seconds / 60:.0f} min -> {options.output}")


def report(model: BertForMaskedLM, tokenizer: Tokenizer) -> None:
    """Print the accuracy and the attention entropy of the model."""
    _, first, among_five = held_out_accuracy(model, tokenizer, every=10)["all"]
    best = [top_characters(model, tokenizer, text)[0] for text, _ in TEN_LINES]
    entropy = " ".join(f"{layer:.2f}" for layer in attention_entropy(model, tokenizer, every=20))
    print(f"  held-out top-1 {first:.1%}, top-5 {among_five:.1%}; attention entropy by layer {entropy}; ", end="")
    print(f"the ten lines: {' '.join(best)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the demonstration checkpoint from scratch.

    Run the same command again to resume after an interruption.
    """
    parser = argparse.ArgumentParser(prog="python -m models.demo.train", description=main.__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of .txt or .txt.xz files")
    parser.add_argument("--output", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="where the state of the run is kept")
    parser.add_argument("--tokens", type=float, default=38e6, help="how many tokens to learn from (default 38e6)")
    parser.add_argument("--rows", type=int, default=64, help=f"rows of {LENGTH} tokens a step (default 64)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, metavar="DIR", help="an earlier checkpoint to improve")
    parser.add_argument("--compile", action="store_true", help="compile the step; needs a C++ compiler")
    train(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
