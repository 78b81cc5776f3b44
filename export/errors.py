"""Define the errors of an export.

ExportError
├── SourceError          the checkpoint is not available: no such folder or model, no connection, a wrong digest
├── CheckpointError      the checkpoint is invalid: a missing, unknown, damaged or misshapen tensor
├── SampleError          the text for the whitening is unusable
├── VersionError         the version folder exists already, or is incomplete
├── ReferenceModelError  PyTorch is not installed, or cannot run the checkpoint
└── ParityError          the exported graph differs from the original
"""


class ExportError(Exception):
    """Base class of the export's errors.

    The command line shows the message to the user.
    """


class SourceError(ExportError):
    """The checkpoint's files cannot be found, downloaded or verified."""


class CheckpointError(ExportError):
    """The checkpoint's files are damaged, incomplete or unsupported."""


class SampleError(ExportError):
    """The text for the whitening is damaged or too short."""


class VersionError(ExportError):
    """The version folder cannot be written, or is incomplete."""


class ReferenceModelError(ExportError):
    """PyTorch is not installed, or the reference process failed."""


class ParityError(ExportError):
    """The exported graph differs from the original beyond rounding."""
