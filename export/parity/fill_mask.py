"""Compare a masked language model's version with transformers' model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.tokens import MASK, Tokenizer
from numpy.typing import NDArray

from export.checkpoint_copy import readable_by_transformers
from export.errors import ParityError
from export.manifest import Manifest
from export.onnx.parity import compare_light
from export.parity.common import (
    COMPUTE_TOLERANCE,
    NASTY_SENTENCES,
    TIE,
    TOLERANCE,
    LoadedVersion,
    distance,
    encode_truncated,
    pad,
    run,
)
from export.parity.token_ids import compare_ids
from export.reference import ReferenceAnswer, ReferenceModel

TOP = 5


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
    loaded = LoadedVersion(version)
    signatures, tokenizer = loaded.signatures, loaded.tokenizer
    with readable_by_transformers(checkpoint) as folder:
        with ReferenceModel(folder, precision=precision, lower_case=manifest.options["lower_case"]) as original:
            texts = compare_ids(tokenizer, original, NASTY_SENTENCES)
            references = [original.answer(ids) for ids in _sentences(tokenizer)]
        rounding, same_first = _rounding(references, folder) if precision != "fp32" else (0.0, 1.0)
    named = np.flatnonzero([bool(token) for token in tokenizer.tokens])
    worst: dict[str, float] = {}
    same_top = _same_top_in_batch(signatures, references, named)
    for reference in references:
        differences, same = _compare_one(signatures, loaded.whitening, reference, named)
        worst = {name: max(worst.get(name, 0.0), found) for name, found in differences.items()}
        same_top = same_top and same
    light = compare_light(version, references, loaded.vocabulary, loaded.config)
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
    mask = tokenizer.token_id(MASK)
    encoded = [encode_truncated(tokenizer, text, masks=True) for text in NASTY_SENTENCES]
    return [ids for ids in encoded if mask in ids]


def _compare_one(
    signatures: Any,
    whitening: tuple[NDArray[np.float32], ...],
    reference: ReferenceAnswer,
    named: NDArray[np.intp],
) -> tuple[dict[str, float], bool]:
    ids, masks, at_masks = reference.ids[None], reference.masks[None], reference.at_masks
    alone: dict[str, NDArray[Any]] = {"input_ids": ids, "lengths": np.array([ids.size], np.int32)}
    masked = {**alone, "mask_positions": masks}
    filled = run(signatures["fill_mask"], **masked)
    token_ids, scores = filled["token_ids"][0], filled["scores"][0]
    candidates = np.unique(np.argsort(-at_masks, axis=-1)[:, :TOP]).astype(np.int32)
    scored = run(signatures["score_tokens"], **masked, candidate_ids=candidates[None])["scores"][0]
    features = run(signatures["features"], **alone)
    explained = run(signatures["explain"], **masked)["attention"][0]
    zeros = np.zeros_like(ids)
    logits = run(signatures["serving_default"], input_ids=ids, attention_mask=zeros + 1, token_type_ids=zeros)[
        "logits"
    ][0]
    largest = logits.max(axis=-1, keepdims=True)
    normalised = logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))
    mean, kernel = whitening
    return {
        "fill_mask": distance(np.log(scores), np.take_along_axis(at_masks, token_ids, axis=-1)),
        "score_tokens": distance(np.log(scored), at_masks[:, candidates]),
        "logits": distance(normalised, reference.log_probabilities),
        "features": max(
            distance(features["cls"][0], reference.hidden[0]), distance(features["mean"][0], reference.mean)
        ),
        "whitened": distance(features["whitened"][0], (reference.mean - mean) @ kernel),
        "explain": distance(explained, reference.attention[reference.masks]),
    }, _same_best(token_ids, at_masks, named)


def _same_top_in_batch(signatures: Any, references: Sequence[ReferenceAnswer], named: NDArray[np.intp]) -> bool:
    """Run all sentences in one batch with server padding."""
    longest = max(len(reference.ids) for reference in references)
    most = max(len(reference.masks) for reference in references)
    filled = run(
        signatures["fill_mask"],
        input_ids=np.stack([pad(one.ids, longest, one.ids[0]) for one in references]),
        lengths=np.array([len(one.ids) for one in references], np.int32),
        mask_positions=np.stack([pad(one.masks, most, one.masks[0]) for one in references]),
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
    return distance(chosen, best) < TIE


def _rounding(references: Sequence[ReferenceAnswer], checkpoint: Path) -> tuple[float, float]:
    """Return the error of 16-bit storage.

    It is the largest change of a best log-probability, and the share of masks with the same best token.
    """
    change, kept = 0.0, []
    with ReferenceModel(checkpoint) as full:
        for reference in references:
            rounded, exact = reference.at_masks, full.answer(reference.ids).at_masks
            first = exact.argmax(axis=-1)
            change = max(change, distance(rounded[range(len(first)), first], exact.max(axis=-1)))
            kept.extend(rounded.argmax(axis=-1) == first)
    return change, float(np.mean(kept))
