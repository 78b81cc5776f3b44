"""Disable the telemetry of ONNX Runtime.

On Linux, version 1.31 writes a device id and an event database under ``~/.cache`` as soon as it is imported, and
uploads events some seconds after the first session. Its ``disable_telemetry_events()`` runs too late to prevent either;
only this environment variable, set before the import, does.
"""

import os

VARIABLE = "ORT_DISABLE_TELEMETRY"


def disable_telemetry() -> None:
    """Disable ONNX Runtime's telemetry in this process and its children.

    Call it before onnxruntime is imported. A value that is already set is kept: ``ORT_DISABLE_TELEMETRY=0`` is how a
    user asks for telemetry.
    """
    os.environ[VARIABLE] = os.environ.get(VARIABLE) or "1"  # an empty value would leave it enabled
