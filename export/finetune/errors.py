"""Define the errors of a fine-tuning run."""

from export.errors import ExportError


class LabelledTextError(ExportError):
    """The labelled text is damaged, or unusable for a classifier."""


class TrainingError(ExportError):
    """The training cannot start, continue or finish."""


class ReportedError(TrainingError):
    """The training failed, and its process has printed why."""
