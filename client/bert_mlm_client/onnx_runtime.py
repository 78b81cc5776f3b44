"""Import ONNX Runtime with its telemetry disabled.

    from bert_mlm_client.onnx_runtime import onnxruntime as ort

Always import it from here, also in your own `Backend`. ``pip install "./client[onnx]"`` installs it.
"""

from bert_mlm_client.telemetry import disable_telemetry

disable_telemetry()

import onnxruntime  # noqa: E402 - reads its environment variable while it is imported

__all__ = ["onnxruntime"]
