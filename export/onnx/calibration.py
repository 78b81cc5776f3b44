"""Run a checkpoint in float32 on sample text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.onnx.agreement import Answers, answer
from export.onnx.sample import Ids, SampleLines
from export.onnx.session import FloatModel, batches, feeds, stack
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
    answers: Sequence[Answers]


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
        vectors[numbers], *observed = model.run(["mean", *model.observed], _whole(lines.whole, numbers))
        observe(model.observed, observed)
    everything = [*model.observed, *model.observed_at_masks]
    for line in track(lines.joined, "Reading long lines"):
        inputs = feeds(line.ids[np.newaxis], line.masks_first[np.newaxis], answers=line.positions.size)
        observe(everything, model.run(everything, inputs))
    if lines.own is not None:
        vectors = np.empty((len(lines.own), checkpoint.config.hidden_size), np.float32)
        for numbers in track(_batches(lines.own), "Reading your sentences"):
            [vectors[numbers]] = model.run(["mean"], _whole(lines.own, numbers))
    return Calibration(vectors, statistics, answer(model, lines.compared, track=track))


def _batches(lines: Sequence[Ids]) -> list[list[int]]:
    return list(batches([line.size for line in lines], alike=True))


def _whole(lines: Sequence[Ids], numbers: Sequence[int]) -> dict[str, Ids]:
    """Return the graph's inputs for lines of equal length."""
    ids = stack([lines[number] for number in numbers])
    return feeds(ids, np.tile(np.arange(ids.shape[1], dtype=np.int32), (len(ids), 1)))
