"""What can go wrong in an export.

ExportError
├── SourceError          the checkpoint cannot be had: no such folder or model, no connection, a digest that differs
├── CheckpointError      the checkpoint is not what it should be: a tensor missing, left over, damaged or misshapen
├── SampleError          the text for the whitening cannot be used
├── VersionError         the version folder is there already, or is not complete
├── ReferenceModelError  PyTorch is not installed, or cannot run the checkpoint
└── ParityError          the exported graph does not answer as the original does
"""


class ExportError(Exception):
    """Base class of all errors that an export ends with. The message is shown to the user as it is."""


class SourceError(ExportError):
    """The checkpoint's files cannot be found, downloaded or trusted."""


class CheckpointError(ExportError):
    """The checkpoint's files are there, but damaged, incomplete or of another kind."""


class SampleError(ExportError):
    """The text for the whitening is damaged, or too little to fit anything to."""


class VersionError(ExportError):
    """The version folder cannot be written, or is not one that an export has finished."""


class ReferenceModelError(ExportError):
    """Hugging Face's own model cannot be run: PyTorch is not installed, or its process failed."""


class ParityError(ExportError):
    """The exported graph differs from the original by more than rounding."""
