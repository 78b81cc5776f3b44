"""Write a version folder atomically.

A version has the SavedModel, the light engine's file, assets, warmup requests and a manifest.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tensorflow as tf
from bert_mlm_client.wire import messages
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from export.assets import write_assets
from export.baseline import Answers, Golden, read_golden
from export.bert import Bert, Precision
from export.checkpoint import Checkpoint, load_checkpoint
from export.errors import VersionError
from export.manifest import Manifest, write_manifest
from export.memory import release
from export.onnx import ONNX_FILE, SIGNATURES, Agreement, ClassifierAgreement, add_metadata, write_onnx
from export.onnx.calibration import calibrate
from export.onnx.sample import SampleLines
from export.progress import Track, untracked
from export.quiet import quiet_stderr
from export.signatures import TOP_K, Whiten, answer_count, build_signatures, client_config, set_method_name
from export.source import CheckpointFiles, sha256_of
from export.warmup import WARMUP_FILE, write_warmup
from export.whitening import SAMPLE, SHRINKAGE, SampleText, Whitening, fit, read_sample

_TEMPORARY = ".tmp-"  # not a number, so a polling server ignores it

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options of an export.

    Attributes:
        precision: the storage type of the weights, fp32, or bf16 or fp16 at half the size. The arithmetic is float32 in
            all three; bf16-compute also multiplies by the linear layers' kernels in bfloat16.
        lower_case: overrides ``do_lower_case`` of tokenizer_config.json, unless None.
        whitening_text: a file with sentences, one per line, that the whitening is fitted to.
    """

    precision: Precision = "fp32"
    lower_case: bool | None = None
    whitening_text: Path = SAMPLE

    def recorded(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Return the manifest's ``options``."""
        top_k = {} if checkpoint.classifier else {"top_k": TOP_K}
        return {"precision": self.precision, "lower_case": self.lower_case, **top_k}


def export_model(
    files: CheckpointFiles,
    servable: Path,
    version: int,
    options: ExportOptions | None = None,
    *,
    force: bool = False,
    report: Report = lambda _: None,
    track: Track = untracked,
) -> Path:
    """Export a checkpoint as ``servable/version``.

    Args:
        files: the verified files of the checkpoint.
        servable: the folder that holds the versions of one model, such as models/bert_mlm.
        version: a positive number.
        options: the options, or None for the defaults.
        force: replace the version if it exists.
        report: called with one sentence at each stage.
        track: shows the progress of the long stages.

    Raises:
        VersionError: the version exists and ``force`` is not set.
        CheckpointError: the checkpoint is damaged, or neither a masked language model nor a classifier.
        SampleError: the text for the whitening is unusable.
    """
    options = options or ExportOptions()
    target = servable / str(version)
    if target.exists() and not force:
        msg = f"{target} exists: choose another --version, or replace it with --force"
        raise VersionError(msg)
    checkpoint = load_checkpoint(files.folder, lower_case=options.lower_case)
    weights = sum(map(math.prod, checkpoint.shapes.values()))
    kind = f", a classifier with {len(checkpoint.classifier.labels)} labels" if checkpoint.classifier else ""
    report(f"Checked {weights / 1e6:.1f} million weights in {files.folder}{kind}.")
    sample = read_sample(options.whitening_text)
    lines = SampleLines.read(checkpoint, sample)
    calibration = calibrate(checkpoint, lines, track=track)
    whitening = fit(calibration.vectors)
    release()
    report(f"Ran float32 on sample text and fitted the whitening to {whitening.sentences} sentences.")
    with _replace_atomically(target) as folder:
        golden = read_golden(checkpoint)
        # The light file comes first, because TensorFlow does not free its variables' memory until the process ends.
        light = folder / ONNX_FILE
        light.parent.mkdir()
        agreement = write_onnx(light, checkpoint, calibration, whitening, top_k=answer_count(checkpoint))
        answers = {"onnx": golden.ask_light(light)}
        release()
        report(
            f"Wrote the light engine's file. Compared with float32: {agreement or 'no token of the sample is known'}."
        )
        with quiet_stderr():
            answers["tensorflow"] = _write_graph(folder, checkpoint, whitening, options.precision, golden)
        release()
        report(f"Built the graph and its signatures, weights stored in {options.precision}.")
        write_assets(folder / "assets", files.folder, checkpoint)
        write_warmup(folder / WARMUP_FILE, checkpoint)
        add_metadata(light, _light_metadata(folder, checkpoint))
        baseline = golden.baseline(answers)
        report(f"Recorded the answers to {len(baseline['prompts'])} golden prompts as the version's baseline.")
        fitted = _fitted(whitening, sample)
        manifest = _describe(folder, files, checkpoint, options, whitening=fitted, agreement=agreement)
        write_manifest(folder, replace(manifest, baseline=baseline))
    report(f"Wrote {target} ({_size_mb(target):.1f} MB).")
    return target


@contextmanager
def _replace_atomically(target: Path) -> Iterator[Path]:
    """Yield a temporary folder, renamed to ``target`` on success.

    On any error, the temporary folder is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{target.name}-", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp creates 0700, and the server may run as another user
        if target.exists():
            old = folder.with_name(f"{folder.name}-old")
            target.rename(old)
            folder.rename(target)
            shutil.rmtree(old)
        else:
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_graph(
    folder: Path, checkpoint: Checkpoint, whitening: Whitening, precision: Precision, golden: Golden
) -> Answers:
    """Write the SavedModel and return its golden answers.

    Its weights can be freed on return.
    """
    bert = Bert(checkpoint.config, checkpoint.weights, precision)
    bert.whiten = Whiten(whitening)  # weights of the signatures must be tracked by the saved object
    signatures = build_signatures(bert, bert.whiten, checkpoint)
    tf.saved_model.save(bert, str(folder), signatures=signatures)
    if checkpoint.classifier:
        set_method_name(folder)
    if precision != "fp32":  # weights are widened only when a model is loaded
        signatures = tf.saved_model.load(str(folder)).signatures
    return golden.ask_graph(signatures)


def _fitted(whitening: Whitening, sample: SampleText) -> dict[str, Any]:
    """Return the manifest's ``whitening``."""
    return {
        "text_sha256": sample.digest,
        "sentences": whitening.sentences,
        "dimensions": whitening.kernel.shape[1],
        "shrinkage": SHRINKAGE,
    }


def _light_metadata(folder: Path, checkpoint: Checkpoint) -> dict[str, str]:
    """Return the light file's signatures and tokenizer settings."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = messages.SignatureDefMap()
    for name, signature in saved.meta_graphs[0].signature_def.items():
        if name in SIGNATURES[checkpoint.task]:
            signatures.signature_def[name].ParseFromString(signature.SerializeToString())
    metadata = {
        "signatures": json_format.MessageToJson(signatures, indent=None, sort_keys=True),
        "tokenizer": json.dumps(client_config(checkpoint), sort_keys=True),
    }
    if checkpoint.classifier:
        metadata["classifier_pooling"] = checkpoint.classifier.pooling
    return metadata


def _describe(
    folder: Path,
    files: CheckpointFiles,
    checkpoint: Checkpoint,
    options: ExportOptions,
    *,
    whitening: dict[str, Any],
    agreement: Agreement | ClassifierAgreement | None,
) -> Manifest:
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(
        source={"model": files.model, "revision": files.revision, "digests": files.digests},
        options=options.recorded(checkpoint),
        shape={**asdict(checkpoint.config), "max_length": checkpoint.tokenizer.max_length},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tensorflow=tf.__version__,
        whitening=whitening,
        quantisation=asdict(agreement) if agreement else {},
        files={path.relative_to(folder).as_posix(): sha256_of(path) for path in written},
        task=checkpoint.task,
        labels=list(checkpoint.classifier.labels) if checkpoint.classifier else [],
    )


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
