"""Compare an exported version with transformers' model and tokenizer.

    python -m export.verify models/bert_mlm/1

The original runs on PyTorch in a separate process and environment (``export.reference``); this process needs only
TensorFlow. The comparison covers the token ids (``export.token_parity``), every signature, and the light file
(``export.onnx.parity``, ``export.onnx.compare``). If weights are stored in 16 bits, the original's are rounded as
well, and the error of this rounding is reported separately.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.tokens import MASK, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from numpy.typing import NDArray

from export.checkpoint_copy import readable_by_transformers
from export.errors import ExportError, ParityError
from export.manifest import Manifest, read_manifest, record_parity
from export.onnx.compare import HELD_OUT, verify_light
from export.onnx.parity import compare_light
from export.quiet import quiet_stderr
from export.reference import ReferenceAnswer, ReferenceModel
from export.source import find_checkpoint
from export.token_parity import compare_ids

TOLERANCE = 1e-4
"""The maximum difference in log-probability, attention or hidden state."""

COMPUTE_TOLERANCE = 0.5
"""The maximum difference with bfloat16 products, whose eight bits of precision may also reorder the top five."""

TOP = 5

TIE = 2e-6
"""The float32 resolution of log-probabilities; closer tokens may be in either order."""

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
"""Regression sentences for tokenizers and graphs, truncated to the model's maximum length."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The differences between the exported graph and the original.

    Each is the maximum absolute difference over all sentences.

    Attributes:
        sentences: the number of compared sentences, alone and in one padded batch.
        texts: the number of texts with equal token ids.
        fill_mask: log-probabilities of the exported candidates.
        score_tokens: log-probabilities of chosen candidates.
        logits: log-probabilities of ``serving_default``, over the whole vocabulary.
        features: hidden states.
        whitened: whitened sentence vectors, in units of their own variance.
        explain: attention.
        same_top: whether every mask has the original's five best tokens, in order.
        rounding: the error of 16-bit storage, as a log-probability; 0 for fp32.
        rounding_same_first: the share of masks whose best token the rounding does not change.
        light_features: the lower mean cosine of the light file's ``cls`` and ``mean`` vectors.
        light_explain: the mean share of attention that moves to other tokens in the light file.
    """

    sentences: int
    texts: int
    fill_mask: float
    score_tokens: float
    logits: float
    features: float
    whitened: float
    explain: float
    same_top: bool
    rounding: float
    rounding_same_first: float
    light_features: float
    light_explain: float

    @property
    def worst(self) -> float:
        """The largest difference between the graphs."""
        return max(self.fill_mask, self.score_tokens, self.logits, self.features, self.whitened, self.explain)

    @property
    def top(self) -> str:
        """A phrase that says whether the best tokens agree."""
        return f"top {TOP} identical" if self.same_top else f"top {TOP} different"


def compare(version: Path, checkpoint: Path, manifest: Manifest) -> Parity:
    """Compare a version with its checkpoint.

    Each sentence runs alone, then all run in one batch with TensorFlow Serving's padding (each input's own first
    element). The top five must be the same in both cases.

    Raises:
        ParityError: the token ids of a text differ; a difference is above ``TOLERANCE`` (bf16-compute:
            ``COMPUTE_TOLERANCE``); one of the five best tokens differs; or the light file differs.
        ReferenceModelError: PyTorch is not installed, or transformers cannot run the checkpoint.
    """
    precision = manifest.options["precision"]
    with quiet_stderr():
        import tensorflow as tf

        model = tf.saved_model.load(str(version))
    if not hasattr(model, "whiten"):
        msg = f"{version} was exported before `features` had whitened vectors: export it again"
        raise ParityError(msg)
    whitening = (model.whiten.mean.numpy(), model.whiten.kernel.numpy())
    signatures = model.signatures
    tokenizer_answer = _run(signatures["tokenizer"], request=np.zeros(1, np.int32))
    vocabulary, config = tokenizer_answer["vocab"][0], tokenizer_answer["config"][0]
    tokenizer = Tokenizer(Vocabulary.parse(vocabulary), TokenizerConfig.parse(config))
    with readable_by_transformers(checkpoint) as folder:
        with ReferenceModel(folder, precision=precision, lower_case=manifest.options["lower_case"]) as original:
            texts = compare_ids(tokenizer, original, NASTY_SENTENCES)
            references = [original.answer(ids) for ids in _sentences(tokenizer)]
        rounding, same_first = _rounding(references, folder) if precision != "fp32" else (0.0, 1.0)
    named = np.flatnonzero([bool(token) for token in tokenizer.tokens])
    worst: dict[str, float] = {}
    same_top = _same_top_in_batch(signatures, references, named)
    for reference in references:
        differences, same = _compare_one(signatures, whitening, reference, named)
        worst = {name: max(worst.get(name, 0.0), found) for name, found in differences.items()}
        same_top = same_top and same
    light = compare_light(version, references, vocabulary, config)
    parity = Parity(
        len(references),
        texts,
        **worst,
        same_top=same_top,
        rounding=rounding,
        rounding_same_first=same_first,
        light_features=light.features,
        light_explain=light.explain,
    )
    coarse = precision == "bf16-compute"
    tolerance = COMPUTE_TOLERANCE if coarse else TOLERANCE
    # `not <=` instead of `>`, so that NaN fails.
    if not (parity.worst <= tolerance and (parity.same_top or coarse)):
        msg = f"{version} differs from {checkpoint}: {parity.worst:.2g} at worst (allowed {tolerance}), {parity.top}"
        raise ParityError(msg)
    return parity


def _sentences(tokenizer: Tokenizer) -> list[NDArray[np.int32]]:
    """Tokenize the sentences and truncate them as transformers does.

    Sentences without a mask after truncation are skipped.
    """
    longest = tokenizer.config.max_length
    unbounded = Tokenizer(tokenizer.vocabulary, replace(tokenizer.config, max_length=2**30))
    mask = tokenizer.token_id(MASK)
    sentences = []
    for text in NASTY_SENTENCES:
        ids = unbounded.encode(text).input_ids
        if len(ids) > longest:
            ids = (*ids[: longest - 1], ids[-1])
        if mask in ids:
            sentences.append(np.array(ids, np.int32))
    return sentences


def _compare_one(
    signatures: Any,
    whitening: tuple[NDArray[np.float32], ...],
    reference: ReferenceAnswer,
    named: NDArray[np.intp],
) -> tuple[dict[str, float], bool]:
    ids, masks, at_masks = reference.ids[None], reference.masks[None], reference.at_masks
    alone: dict[str, NDArray[Any]] = {"input_ids": ids, "lengths": np.array([ids.size], np.int32)}
    masked = {**alone, "mask_positions": masks}
    filled = _run(signatures["fill_mask"], **masked)
    token_ids, scores = filled["token_ids"][0], filled["scores"][0]
    candidates = np.unique(np.argsort(-at_masks, axis=-1)[:, :TOP]).astype(np.int32)
    scored = _run(signatures["score_tokens"], **masked, candidate_ids=candidates[None])["scores"][0]
    features = _run(signatures["features"], **alone)
    explained = _run(signatures["explain"], **masked)["attention"][0]
    zeros = np.zeros_like(ids)
    logits = _run(signatures["serving_default"], input_ids=ids, attention_mask=zeros + 1, token_type_ids=zeros)[
        "logits"
    ][0]
    largest = logits.max(axis=-1, keepdims=True)
    normalised = logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))
    mean, kernel = whitening
    return {
        "fill_mask": _distance(np.log(scores), np.take_along_axis(at_masks, token_ids, axis=-1)),
        "score_tokens": _distance(np.log(scored), at_masks[:, candidates]),
        "logits": _distance(normalised, reference.log_probabilities),
        "features": max(
            _distance(features["cls"][0], reference.hidden[0]), _distance(features["mean"][0], reference.mean)
        ),
        "whitened": _distance(features["whitened"][0], (reference.mean - mean) @ kernel),
        "explain": _distance(explained, reference.attention[reference.masks]),
    }, _same_best(token_ids, at_masks, named)


def _same_top_in_batch(signatures: Any, references: Sequence[ReferenceAnswer], named: NDArray[np.intp]) -> bool:
    """Run all sentences in one batch with server padding."""
    longest = max(len(reference.ids) for reference in references)
    most = max(len(reference.masks) for reference in references)
    filled = _run(
        signatures["fill_mask"],
        input_ids=np.stack([_pad(one.ids, longest, one.ids[0]) for one in references]),
        lengths=np.array([len(one.ids) for one in references], np.int32),
        mask_positions=np.stack([_pad(one.masks, most, one.masks[0]) for one in references]),
    )
    return all(
        _same_best(token_ids[: len(reference.masks)], reference.at_masks, named)
        for token_ids, reference in zip(filled["token_ids"], references, strict=True)
    )


def _same_best(token_ids: NDArray[np.int32], log_probabilities: NDArray[np.float32], named: NDArray[np.intp]) -> bool:
    """Return whether the top tokens are the original's.

    Unnamed tokens are ignored. ``token_ids`` is [M, K], ``log_probabilities`` [M, V].
    """
    chosen = np.take_along_axis(log_probabilities, token_ids[:, :TOP], axis=-1)
    best = -np.sort(-log_probabilities[:, named], axis=-1)[:, :TOP]
    return _distance(chosen, best) < TIE


def _rounding(references: Sequence[ReferenceAnswer], checkpoint: Path) -> tuple[float, float]:
    """Return the error of 16-bit storage.

    It is the largest change of a best log-probability, and the share of masks with the same best token.
    """
    change, kept = 0.0, []
    with ReferenceModel(checkpoint) as full:
        for reference in references:
            rounded, exact = reference.at_masks, full.answer(reference.ids).at_masks
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
    """Compare an exported version with transformers' model and tokenizer.

    Exit with 1 if they differ.
    """
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
    print(f"{options.version} reads {parity.texts} texts into the token ids of transformers.")
    print(f"{options.version} answers as the original does: {parity.worst:.2g} at worst, {parity.top}.")
    print(light)
    return 0


if __name__ == "__main__":
    sys.exit(main())
