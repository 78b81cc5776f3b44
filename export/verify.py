"""Compare an exported version with Hugging Face's own BertForMaskedLM: ``python -m export.verify``.

The original runs on PyTorch in a process and an environment of its own (``export.reference``); this process needs
TensorFlow alone. Tokenisation, weights' loading and arithmetic are all transformers'; only the answers meet. Weights
stored in 16 bits are rounded in the original too before the graphs are compared, and what the rounding costs beside the
full weights is reported on its own.

The light file is compared too, with the checkpoint in float32 (``export.onnx.compare``).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError, ParityError
from export.manifest import Manifest, read_manifest, record_parity
from export.onnx.compare import HELD_OUT, verify_light
from export.quiet import quiet_stderr
from export.reference import ReferenceAnswer, ReferenceModel
from export.source import find_checkpoint

TOLERANCE = 1e-4
"""The largest difference in log-probability, attention or hidden state that still counts as the same answer."""

COMPUTE_TOLERANCE = 0.5
"""The same where the products are in bfloat16, whose eight bits of precision may also swap tokens of the top five."""

TOP = 5

TIE = 2e-6
"""Log-probabilities this close are one value at float32's resolution: either order of the two tokens is right."""

NASTY_SENTENCES = (
    "床前明月光，疑是地[MASK]霜。",
    "[MASK]",
    "[MASK][MASK][MASK]",
    "[MASK]国的首都是北[MASK]",
    "中国的首都是[MASK]京。",
    "iPhone 15 Pro Max 的屏[MASK]很大",
    "café naïve ÅNGSTRÖM [MASK] ＡＢＣ１２３",
    "😀👍🏽 表情[MASK]号 👨‍👩‍👧‍👦",
    "𠮷野家的𠮷是异体[MASK]。",
    "他说：“你[MASK]！”……——然后走了",
    "全角　空格\t制表\u2028行分[MASK]",
    "a" * 150 + "[MASK]",
    "用户写了[SEP]和[CLS]，还有[MASK]。",
    "霜横碧[MASK]虹初霽",
    "３．１４１５９[MASK]，约等于π。",
    "今天天气真[MASK]啊，适合出去玩。" * 6,
)
"""Sentences that have broken tokenizers and graphs before; too long ones are cut to what the model takes."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the exported graph is from the original, as largest absolute differences over all sentences.

    Attributes:
        sentences: how many were compared, alone and in one padded batch.
        fill_mask: log-probabilities of the exported candidates.
        score_tokens: log-probabilities of chosen candidates.
        logits: log-probabilities of ``serving_default``, over the whole vocabulary.
        features: hidden states.
        whitened: whitened sentence vectors, in units of their own variance.
        explain: attention.
        same_top: every mask's five best tokens are the original's, in its order.
        rounding: what 16-bit storage changes beside the full weights, as a log-probability; 0 for fp32.
        rounding_same_first: the share of masks whose best token the rounding leaves as it is.
    """

    sentences: int
    fill_mask: float
    score_tokens: float
    logits: float
    features: float
    whitened: float
    explain: float
    same_top: bool
    rounding: float
    rounding_same_first: float

    @property
    def worst(self) -> float:
        """The largest difference between the graphs."""
        return max(self.fill_mask, self.score_tokens, self.logits, self.features, self.whitened, self.explain)

    @property
    def top(self) -> str:
        """Whether the best tokens agree, in words."""
        return f"top {TOP} identical" if self.same_top else f"top {TOP} different"


@dataclass(frozen=True, slots=True)
class _Sentence:
    ids: NDArray[np.int32]
    masks: NDArray[np.int32]


def compare(version: Path, checkpoint: Path, manifest: Manifest) -> Parity:
    """Compare a version's signatures with the checkpoint that it was made from.

    Each sentence is asked alone; then all of them in one batch, padded as TensorFlow Serving pads (each input with its
    own first element), whose top five must be the same again.

    Raises:
        ParityError: the differences are above ``TOLERANCE``, or any of the five best tokens differs (bf16-compute:
            above ``COMPUTE_TOLERANCE``).
        ReferenceModelError: PyTorch is not installed, or transformers cannot run the checkpoint.
    """
    precision = manifest.options["precision"]
    # Before TensorFlow is loaded: the two are never in memory at once.
    sentences, references = _ask_reference(version, checkpoint, manifest)
    rounding, same_first = _rounding(sentences, references, checkpoint) if precision != "fp32" else (0.0, 1.0)
    with quiet_stderr():
        import tensorflow as tf

    model = tf.saved_model.load(str(version))
    if not hasattr(model, "whiten"):
        msg = f"{version} was exported before `features` had whitened vectors: export it again"
        raise ParityError(msg)
    whitening = (model.whiten.mean.numpy(), model.whiten.kernel.numpy())
    signatures = model.signatures
    worst: dict[str, float] = {}
    same_top = _same_top_in_batch(signatures, sentences, references)
    for sentence, reference in zip(sentences, references, strict=True):
        differences, same = _compare_one(signatures, whitening, sentence, reference)
        worst = {name: max(worst.get(name, 0.0), found) for name, found in differences.items()}
        same_top = same_top and same
    parity = Parity(len(sentences), **worst, same_top=same_top, rounding=rounding, rounding_same_first=same_first)
    coarse = precision == "bf16-compute"
    tolerance = COMPUTE_TOLERANCE if coarse else TOLERANCE
    if parity.worst > tolerance or not (parity.same_top or coarse):
        msg = f"{version} differs from {checkpoint}: {parity.worst:.2g} at worst (allowed {tolerance}), {parity.top}"
        raise ParityError(msg)
    return parity


def _ask_reference(
    version: Path, checkpoint: Path, manifest: Manifest
) -> tuple[list[_Sentence], list[ReferenceAnswer]]:
    """Return the sentences as the version's tokenizer cuts them, and the original's answers."""
    with ReferenceModel(
        checkpoint,
        precision=manifest.options["precision"],
        tokenizer=version / "assets",
        lower_case=manifest.options["lower_case"],
    ) as original:
        cut = [original.tokenize(text, manifest.shape["max_length"]) for text in NASTY_SENTENCES]
        sentences = [_Sentence(ids, np.flatnonzero(ids == original.mask_id).astype(np.int32)) for ids in cut]
        sentences = [sentence for sentence in sentences if len(sentence.masks)]
        return sentences, [original.answer(sentence.ids) for sentence in sentences]


def _compare_one(
    signatures: Any, whitening: tuple[NDArray[np.float32], ...], sentence: _Sentence, reference: ReferenceAnswer
) -> tuple[dict[str, float], bool]:
    log_probabilities, hidden = reference.log_probabilities, reference.hidden
    ids, masks = sentence.ids[None], sentence.masks[None]
    alone: dict[str, NDArray[Any]] = {"input_ids": ids, "lengths": np.array([len(sentence.ids)], np.int32)}
    at_masks = log_probabilities[sentence.masks]
    best = np.argsort(-at_masks, axis=-1)[:, :TOP].astype(np.int32)

    masked = {**alone, "mask_positions": masks}
    filled = _run(signatures["fill_mask"], **masked)
    token_ids, scores = filled["token_ids"][0], filled["scores"][0]
    candidates = np.unique(best).astype(np.int32)
    scored = _run(signatures["score_tokens"], **alone, mask_positions=masks, candidate_ids=candidates[None])["scores"][
        0
    ]
    features = _run(signatures["features"], **alone)
    explained = _run(signatures["explain"], **masked)["attention"][0]
    zeros = np.zeros_like(ids)
    logits = _run(signatures["serving_default"], input_ids=ids, attention_mask=zeros + 1, token_type_ids=zeros)[
        "logits"
    ][0]
    largest = logits.max(axis=-1, keepdims=True)
    normalised = logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))
    inner = hidden[1:-1].mean(axis=0) if len(hidden) > 2 else hidden[0] * 0
    mean, kernel = whitening
    return {
        "fill_mask": _distance(np.log(scores), np.take_along_axis(at_masks, token_ids, axis=-1)),
        "score_tokens": _distance(np.log(scored), at_masks[:, candidates]),
        "logits": _distance(normalised, log_probabilities),
        "features": max(_distance(features["cls"][0], hidden[0]), _distance(features["mean"][0], inner)),
        "whitened": _distance(features["whitened"][0], (inner - mean) @ kernel),
        "explain": _distance(explained, reference.attention[sentence.masks]),
    }, _same_best(token_ids, at_masks)


def _same_top_in_batch(signatures: Any, sentences: Sequence[_Sentence], references: Sequence[ReferenceAnswer]) -> bool:
    """Ask for all sentences at once, each input padded with its own first element, as a batching server does."""
    longest = max(len(sentence.ids) for sentence in sentences)
    most = max(len(sentence.masks) for sentence in sentences)
    filled = _run(
        signatures["fill_mask"],
        input_ids=np.stack([_pad(s.ids, longest, sentences[0].ids[0]) for s in sentences]),
        lengths=np.array([len(s.ids) for s in sentences], np.int32),
        mask_positions=np.stack([_pad(s.masks, most, s.masks[0]) for s in sentences]),
    )
    for row, (sentence, reference) in enumerate(zip(sentences, references, strict=True)):
        if not _same_best(filled["token_ids"][row, : len(sentence.masks)], reference.log_probabilities[sentence.masks]):
            return False
    return True


def _same_best(token_ids: NDArray[np.int32], log_probabilities: NDArray[np.float32]) -> bool:
    """Tell whether the first tokens [M, K] are the best of the original [M, V], in its order."""
    chosen = np.take_along_axis(log_probabilities, token_ids[:, :TOP], axis=-1)
    best = -np.sort(-log_probabilities, axis=-1)[:, :TOP]
    return _distance(chosen, best) < TIE


def _rounding(
    sentences: Sequence[_Sentence], references: Sequence[ReferenceAnswer], checkpoint: Path
) -> tuple[float, float]:
    """Return what 16-bit storage costs: the largest change of a best log-probability, and the share kept first."""
    change, kept = 0.0, []
    with ReferenceModel(checkpoint) as full:
        for sentence, reference in zip(sentences, references, strict=True):
            rounded = reference.log_probabilities[sentence.masks]
            exact = full.answer(sentence.ids).log_probabilities[sentence.masks]
            first = exact.argmax(axis=-1)
            change = max(change, _distance(rounded[range(len(first)), first], exact.max(axis=-1)))
            kept.extend(rounded.argmax(axis=-1) == first)
    return change, float(np.mean(kept))


def _run(signature: Any, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in signature(**inputs).items()}


def _pad(values: NDArray[np.int32], length: int, filler: int) -> NDArray[np.int32]:
    return np.concatenate([values, np.full(length - len(values), filler, np.int32)])


def _distance(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(np.abs(left - right).max())


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare an exported version with Hugging Face's own model; exit with 1 where they differ."""
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=main.__doc__)
    parser.add_argument("version", type=Path, help="the version folder, such as models/bert_mlm/1")
    parser.add_argument("--model", help="the checkpoint (default: the one in the version's manifest)")
    parser.add_argument(
        "--light-text",
        type=Path,
        default=HELD_OUT,
        metavar="FILE",
        help="lines of text, new to the model, to compare the light file on (default: models/demo/text/heldout.txt)",
    )
    options = parser.parse_args(arguments)
    try:
        manifest = read_manifest(options.version)
        files = find_checkpoint(options.model or manifest.source["model"], manifest.source["revision"])
        if files.digests != manifest.source["digests"]:
            msg = f"{files.model} is not the checkpoint that {options.version} was made from: export it again"
            raise ParityError(msg)
        parity = compare(options.version, files.folder, manifest)
        record_parity(options.version, asdict(parity))
        light = verify_light(options.version, files.folder, options.light_text)
    except (ExportError, OSError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    for name, value in asdict(parity).items():
        print(f"{name:20} {value:.3g}" if isinstance(value, float) else f"{name:20} {value}")
    print(f"{options.version} answers as the original does: {parity.worst:.2g} at worst, {parity.top}.")
    print(light)
    return 0


if __name__ == "__main__":
    sys.exit(main())
