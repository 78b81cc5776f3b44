"""Run a version's warmup records before it serves.

The file is ``assets.extra/tf_serving_warmup_requests`` in the version folder, a TFRecord of PredictionLog
(tensorflow_serving/servables/tensorflow/saved_model_warmup.cc and saved_model_warmup_util.cc).
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from google.protobuf.message import DecodeError

from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.inference import classify, examples, multi_inference, predict, regress
from deploy.embedded.inference.predict import DEFAULT_SIGNATURE, Call
from deploy.embedded.lifecycle.tfrecord import read_records
from deploy.embedded.proto.inference_pb2 import PredictionLog

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(
    engine: Engine,
    folder: Path,
    iterations: int,
    *,
    check_method_names: bool = False,
    skip_signatures: Collection[str] = (),
) -> int:
    """Run a version's warmup records and return their number.

    Args:
        engine: the version.
        folder: the version's folder.
        iterations: runs of each record.
        check_method_names: require the method that a signature was exported for.
        skip_signatures: signatures that this engine lacks; their records are skipped.

    Raises:
        ServingError: a record is unreadable or fails, or there are too many; the version must not serve.
    """
    path = folder / WARMUP_FILE
    if not path.is_file():
        return 0
    count = 0
    try:
        for count, record in enumerate(read_records(path.read_bytes()), 1):
            if count > MAX_RECORDS:
                msg = f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}"
                raise invalid(msg)
            log = _parse(record, count, path)
            if log.predict_log.request.model_spec.signature_name not in skip_signatures:
                _answer(engine, log, iterations, count, path, check_method_names=check_method_names)
    except ServingError as error:
        if error.code is not Code.DATA_LOSS:
            raise
        msg = f"{error.message}. Please verify your warmup data is in TFRecord format. ({path})"
        raise ServingError(Code.DATA_LOSS, msg) from error
    return count


def _parse(record: bytes, number: int, path: Path) -> PredictionLog:
    try:
        return PredictionLog.FromString(record)
    except DecodeError as error:
        msg = f"Failed to parse warmup record: number {number} from {path}"
        raise invalid(msg) from error


def _answer(
    engine: Engine, log: PredictionLog, iterations: int, number: int, path: Path, *, check_method_names: bool
) -> None:
    try:
        for _ in range(iterations):
            _run(engine, log, check_method_names=check_method_names)
    except ServingError as error:
        msg = f"Warmup record {number} of {path} failed: {error.message}"
        raise ServingError(error.code, msg) from error


def _run(engine: Engine, log: PredictionLog, *, check_method_names: bool) -> None:
    """Run a record's request, ignoring its model name and version."""
    signatures = engine.signatures
    match log.WhichOneof("log_type"):
        case "predict_log":
            asked = log.predict_log.request
            name = asked.model_spec.signature_name or DEFAULT_SIGNATURE
            _fetch(
                engine,
                predict.prepare(
                    signatures,
                    name,
                    asked.inputs,
                    output_filter=asked.output_filter,
                    check_method_name=check_method_names,
                ),
            )
        case "classify_log":
            classification = log.classify_log.request
            name = classification.model_spec.signature_name or DEFAULT_SIGNATURE
            call = examples.prepare(
                classify, signatures, name, classification.input, check_method_name=check_method_names
            )
            classify.to_result(call, _fetch(engine, call))
        case "regress_log":
            regression = log.regress_log.request
            name = regression.model_spec.signature_name or DEFAULT_SIGNATURE
            call = examples.prepare(regress, signatures, name, regression.input, check_method_name=check_method_names)
            regress.to_result(call, _fetch(engine, call))
        case "multi_inference_log":
            several = log.multi_inference_log.request
            calls = multi_inference.prepare(signatures, several, check_method_name=check_method_names)
            multi_inference.to_results(several.tasks, calls, engine.run_several(calls.inputs, calls.outputs))
        case str(kind):
            number = PredictionLog.DESCRIPTOR.fields_by_name[kind].number
            msg = f"Unsupported log_type for warmup: {number}"
            raise ServingError(Code.UNIMPLEMENTED, msg)


def _fetch(engine: Engine, call: Call) -> Mapping[str, Array]:
    return engine.run(call.signature, call.inputs, call.outputs)
