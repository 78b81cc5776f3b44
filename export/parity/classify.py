"""Compare a classifier's version with transformers' model."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.errors import InputError
from numpy.typing import NDArray

from export.checkpoint import ClassifierConfig, load_checkpoint
from export.checkpoint_copy import readable_by_transformers
from export.errors import ParityError
from export.manifest import Manifest
from export.onnx.agreement import log
from export.onnx.classifier_parity import compare_light_classifier
from export.onnx.compare import covers, read_lines
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
from export.reference import ClassifierAnswer, ReferenceClassifier

_BATCH = 64  # texts in one padded batch

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ClassifierParity:
    """The differences between a classifier's exported graph and the original.

    Each is the maximum absolute difference over all sentences, and of `classify` and `padded` also over all lines.

    Attributes:
        sentences: the number of compared sentences and, if the model was trained on them, pairs.
        texts: the number of texts with equal token ids.
        lines: the number of compared lines of text; 0 if the vocabulary does not cover it.
        classify: log-probabilities of all labels, each text alone.
        padded: the same in batches with the server's padding (each input's own first element).
        examples: log-probabilities of ``classify_examples``.
        logits: log-probabilities of ``serving_default``.
        features: hidden states.
        whitened: whitened sentence vectors, in units of their own variance.
        same_label: whether every text has the original's best label, alone and padded.
        rounding: the error of 16-bit storage, as a log-probability; 0 for fp32.
        rounding_same_first: the share of texts whose best label the rounding does not change.
        light_features: the lower mean cosine of the light file's ``cls`` and ``mean`` vectors.
    """

    sentences: int
    texts: int
    lines: int
    classify: float
    padded: float
    examples: float
    logits: float
    features: float
    whitened: float
    same_label: bool
    rounding: float
    rounding_same_first: float
    light_features: float

    @property
    def worst(self) -> float:
        """The largest difference between the graphs."""
        return max(self.classify, self.padded, self.examples, self.logits, self.features, self.whitened)

    @property
    def top(self) -> str:
        """A phrase that says whether the best labels agree."""
        return "best labels identical" if self.same_label else "best labels different"


def compare(version: Path, checkpoint: Path, manifest: Manifest, text: Path) -> ClassifierParity:
    """Compare a classifier's version with its checkpoint.

    Args:
        version: the version's folder.
        checkpoint: the checkpoint's folder.
        manifest: the version's manifest.
        text: lines of text to classify; anything up to a tab is ignored.

    Raises:
        ParityError: the token ids of a text differ; a difference is above ``TOLERANCE`` (bf16-compute:
            ``COMPUTE_TOLERANCE``); a text has another best label; or the light file differs.
        ReferenceModelError: PyTorch is not installed, or transformers cannot run the checkpoint.
        SampleError: the text is not UTF-8.
    """
    precision = manifest.options["precision"]
    loaded = LoadedVersion(version)
    read = load_checkpoint(checkpoint, lower_case=manifest.options["lower_case"])
    head = read.classifier
    if head is None:
        msg = f"{version} is a classifier, {checkpoint} is not: export it again"
        raise ParityError(msg)
    lines = _encode(loaded, read_lines(text))
    if not covers(read, lines):
        lines = []
    with readable_by_transformers(checkpoint) as folder:
        with ReferenceClassifier(folder, precision=precision, lower_case=manifest.options["lower_case"]) as original:
            texts = compare_ids(loaded.tokenizer, original, NASTY_SENTENCES)
            sentences = [original.answer(ids) for ids in _encode(loaded, NASTY_SENTENCES)]
            sentences += [original.answer(*pair) for pair in _pairs(original, head, loaded.tokenizer.config.max_length)]
            references = [*sentences, *(original.answer(ids) for ids in lines)]
        rounding, same_first = _rounding(references, folder, head) if precision != "fp32" else (0.0, 1.0)
    worst: dict[str, float] = {}
    for reference in sentences:
        for name, found in _compare_one(loaded, head, reference).items():
            worst[name] = max(worst.get(name, 0.0), found)
    alone = [_by_id(loaded, head, [reference]) for reference in references]
    padded = [_by_id(loaded, head, batch) for batch in _batches(references)]
    expected = np.stack([_log_probabilities(head, reference.logits) for reference in references])
    light = compare_light_classifier(version, head, sentences, loaded.vocabulary, loaded.config)
    parity = ClassifierParity(
        len(sentences),
        texts,
        len(lines),
        classify=distance(np.concatenate(alone), expected),
        padded=distance(np.concatenate(padded), expected),
        **worst,
        same_label=all(_same_best(np.concatenate(found), expected) for found in (alone, padded)),
        rounding=rounding,
        rounding_same_first=same_first,
        light_features=light,
    )
    coarse = precision == "bf16-compute"
    tolerance = COMPUTE_TOLERANCE if coarse else TOLERANCE
    # `not <=` instead of `>`, so that NaN fails.
    if not (parity.worst <= tolerance and (parity.same_label or coarse)):
        msg = f"{version} differs from {checkpoint}: {parity.worst:.2g} at worst (allowed {tolerance}), {parity.top}"
        raise ParityError(msg)
    return parity


def _encode(loaded: LoadedVersion, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    found = []
    for text in texts:
        with contextlib.suppress(InputError):  # for example, a text of only spaces
            found.append(encode_truncated(loaded.tokenizer, text, masks=False))
    return found


def _pairs(
    original: ReferenceClassifier, head: ClassifierConfig, longest: int
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Yield pairs of sentences as transformers encodes them."""
    if not head.text_pairs:
        return
    readable = [text for text in NASTY_SENTENCES if "[SEP]" not in text]  # special there, text for the client
    for text, text_pair in itertools.pairwise(readable):
        ids, token_types = original.tokenize_pair(text, text_pair)
        if ids.size <= longest:
            yield ids, token_types


def _compare_one(loaded: LoadedVersion, head: ClassifierConfig, reference: ClassifierAnswer) -> dict[str, float]:
    import tensorflow as tf

    ids, ones, token_types = reference.ids[None], np.ones_like(reference.ids[None]), reference.token_types[None]
    expected = _log_probabilities(head, reference.logits)
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=reference.ids.tolist()))
    example = tf.train.Example(features=tf.train.Features(feature={"input_ids": feature})).SerializeToString()
    by_example = run(loaded.signatures["classify_examples"], inputs=np.array([example], object))
    given = {"input_ids": ids, "attention_mask": ones, "token_type_ids": token_types}
    logits = run(loaded.signatures["serving_default"], **given)["logits"][0]
    features = run(loaded.signatures["features"], input_ids=ids, lengths=np.array([ids.size], np.int32))
    mean, kernel = loaded.whitening
    return {
        "examples": distance(_in_id_order(head, by_example["classes"], by_example["scores"])[0], expected),
        "logits": distance(_log_probabilities(head, logits), expected),
        "features": max(
            distance(features["cls"][0], reference.hidden[0]), distance(features["mean"][0], reference.mean)
        ),
        "whitened": distance(features["whitened"][0], (reference.mean - mean) @ kernel),
    }


def _batches(references: Sequence[ClassifierAnswer]) -> Iterator[Sequence[ClassifierAnswer]]:
    """Yield the texts in batches of unequal lengths."""
    return (references[start : start + _BATCH] for start in range(0, len(references), _BATCH))


def _by_id(loaded: LoadedVersion, head: ClassifierConfig, batch: Sequence[ClassifierAnswer]) -> Array:
    """Return the log-probabilities [B, L] of ``classify`` by label id.

    The batch is padded as the server pads it.
    """
    longest = max(reference.ids.size for reference in batch)
    found = run(
        loaded.signatures["classify"],
        input_ids=np.stack([pad(reference.ids, longest, reference.ids[0]) for reference in batch]),
        lengths=np.array([reference.ids.size for reference in batch], np.int32),
    )
    return _in_id_order(head, found["labels"], found["scores"])


def _in_id_order(head: ClassifierConfig, labels: NDArray[Any], scores: Array) -> Array:
    """Return log-probabilities [B, L] by label id."""
    number = {label.encode(): place for place, label in enumerate(head.labels)}
    ids = np.array([[number[label] for label in row] for row in labels])
    found: Array = log(np.take_along_axis(scores, np.argsort(ids, axis=1), axis=1))
    return found


def _log_probabilities(head: ClassifierConfig, logits: Array) -> Array:
    """Return the logarithms of transformers' probabilities (TextClassificationPipeline)."""
    wide = logits.astype(np.float64)
    multiple = head.problem_type == "multi_label_classification"
    normaliser = np.logaddexp(0, wide) if multiple else np.logaddexp.reduce(wide, axis=-1, keepdims=True)
    found: Array = wide - normaliser
    return found


def _same_best(found: Array, expected: Array) -> bool:
    """Return whether the best labels agree, apart from ties."""
    chosen = np.take_along_axis(expected, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    return distance(chosen, expected.max(axis=1)) < TIE


def _rounding(references: Sequence[ClassifierAnswer], checkpoint: Path, head: ClassifierConfig) -> tuple[float, float]:
    """Return the error of 16-bit storage.

    It is the largest change of a best log-probability, and the share of texts with the same best label.
    """
    change, kept = 0.0, []
    with ReferenceClassifier(checkpoint) as full:
        for reference in references:
            exact = _log_probabilities(head, full.answer(reference.ids, reference.token_types).logits)
            rounded = _log_probabilities(head, reference.logits)
            best = int(exact.argmax())
            change = max(change, abs(float(rounded[best] - exact[best])))
            kept.append(int(rounded.argmax()) == best)
    return change, float(np.mean(kept))
