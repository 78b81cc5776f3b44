"""Compare an exported version with transformers' model and tokenizer.

    python -m export.verify models/bert_mlm/1

The original runs on PyTorch in a separate process and environment (``export.reference``); this process needs only
TensorFlow. The comparison covers the token ids, every signature (``export.parity``), and the light file
(``export.onnx.parity``, ``export.onnx.compare``). If weights are stored in 16 bits, the original's are rounded as
well, and the error of this rounding is reported separately.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from export.errors import ExportError, ParityError
from export.manifest import Manifest, read_manifest, record_parity
from export.onnx.compare import HELD_OUT, verify_light
from export.parity import classify, fill_mask
from export.source import find_checkpoint

Parity = fill_mask.Parity | classify.ClassifierParity


def compare(version: Path, checkpoint: Path, manifest: Manifest, text: Path = HELD_OUT) -> Parity:
    """Compare a version with its checkpoint.

    Args:
        version: the version's folder.
        checkpoint: the checkpoint's folder.
        manifest: the version's manifest.
        text: lines of text that a classifier's version and its original classify.

    Raises:
        ParityError: the version differs from the checkpoint.
        ReferenceModelError: PyTorch is not installed, or transformers cannot run the checkpoint.
        SampleError: the text is not UTF-8.
    """
    if manifest.task == "text_classification":
        return classify.compare(version, checkpoint, manifest, text)
    return fill_mask.compare(version, checkpoint, manifest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare an exported version with transformers' model and tokenizer.

    Exit with 1 if they differ.
    """
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=main.__doc__)
    parser.add_argument("version", type=Path, help="the version folder, such as models/bert_mlm/1")
    parser.add_argument("--model", help="the checkpoint (default: the one in the version's manifest)")
    parser.add_argument(
        "--text",
        "--light-text",
        type=Path,
        default=HELD_OUT,
        metavar="FILE",
        help="lines of text, new to the model, to compare the light file on, and a classifier's labels "
        "(default: models/demo/text/heldout.txt)",
    )
    options = parser.parse_args(arguments)
    try:
        manifest = read_manifest(options.version)
        files = find_checkpoint(options.model or manifest.source["model"], manifest.source["revision"])
        if files.digests != manifest.source["digests"]:
            msg = f"{files.model} is not the checkpoint that {options.version} was made from: export it again"
            raise ParityError(msg)
        parity = compare(options.version, files.folder, manifest, options.text)
        record_parity(options.version, asdict(parity))
        light = verify_light(options.version, files.folder, options.text)
    except (ExportError, OSError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    for name, value in asdict(parity).items():
        print(f"{name:20} {value:.3g}" if isinstance(value, float) else f"{name:20} {value}")
    print(f"{options.version} reads {parity.texts} texts into the token ids of transformers.")
    print(f"{options.version} answers as the original does: {parity.worst:.2g} at worst, {parity.top}.")
    print(light)
    return 0


if __name__ == "__main__":
    sys.exit(main())
