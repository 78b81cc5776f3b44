"""Start a training or resume it from its last state."""

import json
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from export.finetune.errors import TrainingError
from export.finetune.layout import TrainingFolder
from export.finetune.metrics import predict, summarise
from export.finetune.plan import Plan
from export.finetune.trainer.batches import Ids, Texts, evaluation_batches, hide, token_types, training_batches
from export.finetune.trainer.device import Device
from export.finetune.trainer.display import Display
from export.finetune.trainer.model import (
    ClassificationLoss,
    build_classifier,
    build_optimizer,
    label_names,
    rate_factor,
)
from export.finetune.trainer.state import Progress, replace_file, restore_state, save_state

_LARGEST_NORM = 1.0
_SAVING_SHARE = 0.05
"""The largest share of the time that saving states may take."""


class StopRequestedError(Exception):
    """Stop requested by the command.

    The state is saved.
    """


class Training:
    """A resumable training.

    Args:
        folder: the training folder, as ``export.finetune.preparation`` writes it.
        should_stop: returns whether to save the state and end.
    """

    def __init__(self, folder: TrainingFolder, should_stop: Callable[[], bool]) -> None:
        self._folder, self._should_stop = folder, should_stop
        self.plan = Plan.read(folder.plan)
        self.train, self.dev = Texts.read(folder.texts, "train"), Texts.read(folder.texts, "dev")
        self.progress = Progress.read(folder.state) if folder.state.exists() else Progress()
        torch.set_num_threads(self.progress.threads)
        self.device = Device.choose(self.plan.precision)
        initial = None if self.plan.from_scratch else folder.initial
        model = build_classifier(folder.result / "config.json", initial, self.plan.seed)
        self.model = model.to(self.device.device)
        self._optimizer = build_optimizer(self.model, self.plan.learning_rate)
        self._loss = ClassificationLoss(self.plan).to(self.device.device)
        self._epoch_steps = math.ceil(len(self.train) / self.plan.batch_size)
        self.steps = self._epoch_steps * self.plan.epochs
        self._display = Display(self.steps, self.progress.step, self.plan.batch_size)
        if folder.state.exists():
            restore_state(folder.state, self.model, self._optimizer)
        self._saved = time.monotonic()
        self._saving_s = 0.0

    def run(self) -> None:
        """Train until the last epoch or until patience is exhausted.

        Raises:
            StopRequestedError: the command asked for it; the state is saved.
            TrainingError: the loss is NaN or infinite.
        """
        self._introduce()
        with self._display.running():
            while not self._is_finished():
                self._run_epoch()
                self._evaluate_epoch()
        self._finish()

    def _introduce(self) -> None:
        weights = sum(parameter.numel() for parameter in self.model.parameters())
        self._display.line(
            f"Training {weights / 1e6:.1f} million weights on {self.device}: {self.steps:,} steps of "
            f"{self.plan.batch_size} texts, learning rate {self.plan.learning_rate:g}."
        )
        now = (str(self.device), str(torch.__version__))
        before = (self.progress.device, self.progress.torch_version)
        if self.progress.step and now != before:
            self._display.line(
                f"Warning: the training started on {' with PyTorch '.join(before)}; the result will differ slightly."
            )
        self.progress.device, self.progress.torch_version = now

    def _is_finished(self) -> bool:
        epochs, patience = self.progress.epochs, self.plan.patience
        return len(epochs) == self.plan.epochs or bool(
            patience and epochs and len(epochs) - self.progress.best_epoch >= patience
        )

    def _run_epoch(self) -> None:
        """Train for the rest of an epoch."""
        epoch = len(self.progress.epochs)
        batches = training_batches(self.train, self.plan, epoch)
        self.model.train()
        for number in range(self.progress.step - epoch * self._epoch_steps, self._epoch_steps):
            begun = time.monotonic()
            loss = self._learn(batches[number])
            if not math.isfinite(loss):
                msg = f"the loss is not finite after {self.progress.step:,} steps; lower --learning-rate"
                raise TrainingError(msg)
            self.progress.step += 1
            self.progress.losses += loss
            self.progress.seconds += time.monotonic() - begun
            self._display.update(self.progress.step, epoch + 1, self.progress.losses / (number + 1))
            self._save_if_due()

    def _learn(self, rows: Ids) -> float:
        """Take one optimizer step and return the batch's mean loss."""
        step, plan = self.progress.step, self.plan
        for group in self._optimizer.param_groups:
            group["lr"] = plan.learning_rate * rate_factor(step, self.steps)
        targets = torch.from_numpy(self.train.targets[rows]).to(self.device.device)
        total = self._loss.total(targets)
        size = math.ceil(len(rows) / plan.accumulate)
        losses = torch.zeros((), device=self.device.device)
        for part, first in enumerate(range(0, len(rows), size)):
            ids = self.train.padded(rows[first : first + size], plan.pad_id)
            if plan.mask_characters:
                ids = hide(ids, plan, step, part)
            with self.device.autocast():
                logits = self._logits(ids)
            loss = self._loss(logits, targets[first : first + size]) / total
            loss.backward()
            losses += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _LARGEST_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(losses)

    def _logits(self, ids: Ids) -> Tensor:
        types = token_types(ids, self.plan) if getattr(self.model.config, "classifier_text_pairs", False) else None
        arrays = [torch.from_numpy(ids), torch.from_numpy((ids != self.plan.pad_id).astype("int64"))]
        on_device = [array.to(self.device.device) for array in arrays]
        logits: Tensor = self.model(
            *on_device, None if types is None else torch.from_numpy(types).to(self.device.device)
        )
        return logits

    def evaluate(self, *, exact: bool = False) -> tuple[NDArray[Any], float]:
        """Return the logits and the mean loss on dev.

        Args:
            exact: compute in float32, as the export does.
        """
        self.model.eval()
        labels = int(self.model.config.num_labels)
        logits = torch.empty(len(self.dev), labels)
        with torch.inference_mode():
            for rows in evaluation_batches(self.dev):
                self._check_stop()
                with self.device.autocast(exact=exact):
                    logits[torch.from_numpy(rows)] = self._logits(self.dev.padded(rows, self.plan.pad_id)).cpu()
            targets = torch.from_numpy(self.dev.targets).to(self.device.device)
            loss = self._loss(logits.to(self.device.device), targets) / self._loss.total(targets)
        return logits.numpy(), float(loss)

    def _evaluate_epoch(self) -> None:
        """Evaluate an epoch and save the state.

        The weights are kept if they are the best so far.
        """
        begun = time.monotonic()
        logits, loss = self.evaluate()
        progress = self.progress
        progress.seconds += time.monotonic() - begun
        scores = summarise(logits, self.dev.targets)
        number = len(progress.epochs) + 1
        is_best = all(
            (scores["macro_f1"], -loss) > (epoch["macro_f1"], -epoch["dev_loss"]) for epoch in progress.epochs
        )
        train_loss = progress.losses / self._epoch_steps
        progress.epochs.append(
            {"epoch": number, "train_loss": train_loss, "dev_loss": loss, **scores, "seconds": progress.seconds}
        )
        progress.losses = 0.0
        if is_best:
            replace_file(self._folder.best(number), self.model.state_dict(), {"format": "pt"})
            progress.best_epoch = number
        self._save()
        self._remove_others()
        self._display.line(
            f"Epoch {number} of {self.plan.epochs}: loss {train_loss:.3f}, on dev {loss:.3f}, accuracy "
            f"{scores['accuracy']:.4f}, macro-F1 {scores['macro_f1']:.4f}; {progress.seconds:.0f} s in all."
        )
        self._warn_of_one_class(logits)

    def _warn_of_one_class(self, logits: NDArray[Any]) -> None:
        predicted = predict(logits, multi_label=self.plan.multi_label)
        if (predicted == predicted[0]).all():
            names = [name for name, is_in in zip(label_names(self.model.config), predicted[0], strict=True) if is_in]
            self._display.line(
                f"Warning: every text of dev is predicted as {', '.join(names) or 'no label'}, so the classifier has "
                "learned nothing; lower --learning-rate, train longer or use --class-weights balanced."
            )

    def _remove_others(self) -> None:
        """Remove the weights of all but the best epoch."""
        kept = self._folder.best(self.progress.best_epoch)
        for path in self._folder.root.glob("best-*"):
            if path != kept:
                path.unlink()

    def _finish(self) -> None:
        """Write the outcome of the best epoch."""
        best = self._folder.best(self.progress.best_epoch)
        self.model.load_state_dict(load_file(best))
        logits, loss = self.evaluate(exact=True)
        replace_file(self._folder.dev_logits, {"logits": torch.from_numpy(logits)})
        progress = self.progress
        content = {
            "best_epoch": progress.best_epoch,
            "dev_loss": loss,
            "epochs": progress.epochs,
            "steps": progress.step,
            "seconds": progress.seconds,
            "device": progress.device,
            "threads": progress.threads,
            "torch": progress.torch_version,
        }
        fresh = self._folder.outcome.with_suffix(".new")
        fresh.write_text(json.dumps(content), encoding="utf-8")
        fresh.replace(self._folder.outcome)

    def _save_if_due(self) -> None:
        pause = max(self.plan.save_every_s, self._saving_s / _SAVING_SHARE)
        if not self.plan.save_every_s or time.monotonic() - self._saved >= pause:
            self._save()
        self._check_stop()

    def _check_stop(self) -> None:
        if self._should_stop():
            self._save()
            raise StopRequestedError

    def _save(self) -> None:
        begun = time.monotonic()
        save_state(self._folder.state, self.progress, self.model, self._optimizer)
        self._saved = time.monotonic()
        self._saving_s = self._saved - begun
