"""Run a checkpoint in float32 on sample text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Checkpoint, ClassifierConfig
from export.onnx.agreement import Answers, answer
from export.onnx.classifier_agreement import ClassifierAnswers, classify
from export.onnx.sample import Hidden, Ids, SampleLines, pair_up
from export.onnx.session import FloatModel, batches, classifier_feeds, feeds, stack
from export.onnx.statistics import Statistics
from export.progress import Track, untracked

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The results of a float32 run on sample text.

    Attributes:
        vectors: the mean vectors of the sentences that the whitening is fitted to [N, H].
        statistics: of each product's input rows, by the name of the layer normalisation or of the layer.
        answers: the answers to the held-out lines, to measure the light file.
    """

    vectors: Array
    statistics: Mapping[str, Statistics]
    answers: Sequence[Answers] | Sequence[ClassifierAnswers]


def calibrate(checkpoint: Checkpoint, lines: SampleLines, *, track: Track = untracked) -> Calibration:
    """Run a checkpoint in float32 over the sample.

    Args:
        checkpoint: the checkpoint, each of whose weights is read once.
        lines: the sample text.
        track: shows the progress.
    """
    model = FloatModel(checkpoint)
    statistics: dict[str, Statistics] = {}

    def observe(names: Sequence[str], observed: Sequence[Array]) -> None:
        for name, rows in zip(names, observed, strict=True):
            statistics.setdefault(name, Statistics(rows.shape[1])).add(rows)

    vectors = np.empty((len(lines.whole), checkpoint.config.hidden_size), np.float32)
    for numbers in track(_batches(lines.whole), "Reading sentences"):
        vectors[numbers], *observed = model.run(["mean", *model.observed], _whole(checkpoint, lines.whole, numbers))
        observe(model.observed, observed)
    head = checkpoint.classifier
    if head and head.text_pairs:  # tokens of the second text have another type, hence other ranges
        pairs = pair_up(lines.whole, checkpoint.tokenizer.max_length)
        for pair in track(pairs, "Reading pairs"):
            observe(model.observed, model.run(model.observed, _every_token(head, pair[np.newaxis])))
    everything = [*model.observed, *model.observed_at_masks]
    for line in track(lines.joined, "Reading long lines"):
        observe(everything, model.run(everything, _long(checkpoint, line)))
    if lines.own is not None:
        vectors = np.empty((len(lines.own), checkpoint.config.hidden_size), np.float32)
        for numbers in track(_batches(lines.own), "Reading your sentences"):
            [vectors[numbers]] = model.run(["mean"], _whole(checkpoint, lines.own, numbers))
    return Calibration(vectors, statistics, _answer(model, checkpoint, lines.compared, track))


def _answer(
    model: FloatModel, checkpoint: Checkpoint, lines: Sequence[Hidden], track: Track
) -> Sequence[Answers] | Sequence[ClassifierAnswers]:
    head = checkpoint.classifier
    if head is None:
        return answer(model, lines, track=track)
    texts = [line.original for line in lines]
    if head.text_pairs:
        texts += pair_up(texts, checkpoint.tokenizer.max_length)
    return classify(model, head, texts, track=track)


def _batches(lines: Sequence[Ids]) -> list[list[int]]:
    return list(batches([line.size for line in lines], alike=True))


def _whole(checkpoint: Checkpoint, lines: Sequence[Ids], numbers: Sequence[int]) -> dict[str, Ids]:
    """Return the graph's inputs for lines of equal length."""
    ids = stack([lines[number] for number in numbers])
    if checkpoint.classifier:
        return _every_token(checkpoint.classifier, ids)
    return feeds(ids, np.tile(np.arange(ids.shape[1], dtype=np.int32), (len(ids), 1)))


def _long(checkpoint: Checkpoint, line: Hidden) -> dict[str, Ids]:
    """Return the graph's inputs for a long line.

    A classifier gets the original tokens, a masked language model those with masks.
    """
    if checkpoint.classifier:
        return _every_token(checkpoint.classifier, line.original[np.newaxis])
    return feeds(line.ids[np.newaxis], line.masks_first[np.newaxis], answers=line.positions.size)


def _every_token(head: ClassifierConfig, ids: Ids) -> dict[str, Ids]:
    return classifier_feeds(head, ids, np.full(len(ids), ids.shape[1], np.int32), every=True)
