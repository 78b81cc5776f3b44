"""Train the demonstration checkpoint from scratch.

    .venv-torch/bin/python -m models.demo.train --corpora DIR --output models/demo --minutes 90

Reads plain text (``corpus``), packs it (``packing``) and trains a small BERT for masked language modelling on a CPU or
a GPU. Interrupt it whenever you like: the same command goes on from the last state in ``--work``.
"""

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM

from models.demo import corpus
from models.demo.evaluate import held_out_accuracy, top_characters
from models.demo.packing import Packer
from models.demo.ten_lines import TEN_LINES
from models.demo.tokenizer import build_tokenizer

LENGTH = 128
VOCABULARY = 8_000
PLATEAU = 0.4
"""Where in the run, between 0 and 1, the learning rate begins to fall and the sources' late shares begin."""
SAVE_EVERY_S = 300
REPORT_EVERY_S = 30


def build_model(vocabulary: int) -> BertForMaskedLM:
    """Return the untrained model: BERT's own shape, small. No dropout: the text is not seen often enough to need it."""
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
    )
    return BertForMaskedLM(config)


class MaskedLoss(nn.Module):
    """The loss over the masked tokens of a packed batch; the head runs for those alone."""

    def __init__(self, model: BertForMaskedLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, positions: Tensor, segments: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy, a scalar."""
        together = segments[:, None, :, None] == segments[:, None, None, :]
        hidden = self.model.bert(input_ids=ids, position_ids=positions, attention_mask=together).last_hidden_state
        masked = hidden.reshape(-1, hidden.shape[-1])[targets]
        return nn.functional.cross_entropy(self.model.cls(masked).float(), labels)


def build_optimizers(model: BertForMaskedLM) -> list[torch.optim.Optimizer]:
    """Return Muon (Jordan et al., 2024) for the encoder's matrices and AdamW for all that is left."""
    matrices = [parameter for name, parameter in model.named_parameters() if _is_encoder_matrix(name, parameter)]
    rest = [parameter for name, parameter in model.named_parameters() if not _is_encoder_matrix(name, parameter)]
    return [
        torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=0.002, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def _is_encoder_matrix(name: str, parameter: Tensor) -> bool:
    return ".encoder." in name and parameter.ndim == 2


def rate_at(progress: float) -> float:
    """Return the learning rate's factor: a short warm-up, a plateau, then a straight way down to nothing."""
    return min(1.0, progress / 0.01 + 0.001, (1.0 - progress) / (1.0 - PLATEAU))


class Run:
    """A training run that can be left and taken up again.

    Its state is two files in ``folder``, no pickle: tensors as safetensors, the step and the settings as JSON.
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
        """Write the state; an interruption meanwhile leaves the earlier one."""
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
        """Take one step and return its loss."""
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
    """Write the finished checkpoint the way Hugging Face does, with weights in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(model.config.to_json_string())
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    facts = {"do_lower_case": True, "model_max_length": LENGTH, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts, indent=2) + "\n")


def train(options: argparse.Namespace) -> None:
    """Train until the token budget is spent, then write the checkpoint."""
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
    loss_of = MaskedLoss(model)

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
    """Print a quick look at how far the model is."""
    _, first, among_five = held_out_accuracy(model, tokenizer, every=10)["all"]
    best = [top_characters(model, tokenizer, text)[0] for text, _ in TEN_LINES]
    print(f"  held-out top-1 {first:.1%}, top-5 {among_five:.1%}; the ten lines: {' '.join(best)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the demonstration checkpoint from scratch; run again to go on after an interruption."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.train", description=main.__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of .txt or .txt.xz files")
    parser.add_argument("--output", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="where the state of the run is kept")
    parser.add_argument("--tokens", type=float, default=38e6, help="how many tokens to learn from (default 38e6)")
    parser.add_argument("--rows", type=int, default=64, help=f"rows of {LENGTH} tokens a step (default 64)")
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
