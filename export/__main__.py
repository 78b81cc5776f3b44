"""Run the export from the command line (``python -m export``)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.errors import ExportError
from export.progress import progress_bar
from export.quiet import quiet_stderr
from export.source import find_checkpoint
from export.whitening import SAMPLE


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a BERT checkpoint as a TensorFlow Serving version."""
    parser = argparse.ArgumentParser(prog="python -m export", description=main.__doc__)
    parser.add_argument("--model", required=True, help="a checkpoint folder, or a name on the Hugging Face hub")
    parser.add_argument("--revision", help="commit, branch or tag on the hub (default: pinned where known, else main)")
    parser.add_argument("--name", default="bert_mlm", help="the servable's name (default bert_mlm)")
    parser.add_argument("--version", type=_positive, default=1, help="the version's number (default 1)")
    parser.add_argument("--output", type=Path, default=Path("models"), help="where servables are (default models)")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16", "bf16-compute"),
        default="fp32",
        help="how weights are stored; bf16-compute multiplies in bfloat16 too (for CPUs with AVX512-BF16 or AMX)",
    )
    parser.add_argument(
        "--lower-case", action=argparse.BooleanOptionalAction, help="override do_lower_case of tokenizer_config.json"
    )
    parser.add_argument(
        "--whitening-text",
        type=Path,
        default=SAMPLE,
        metavar="FILE",
        help="sentences, one per line, to fit the whitening of sentence vectors to (default: a sample of many kinds)",
    )
    parser.add_argument("--force", action="store_true", help="replace the version if it exists")
    options = parser.parse_args(arguments)
    try:
        files = find_checkpoint(options.model, options.revision)
        with quiet_stderr():
            from export.savedmodel import ExportOptions, export_model

        export_model(
            files,
            options.output / options.name,
            options.version,
            ExportOptions(options.precision, options.lower_case, options.whitening_text),
            force=options.force,
            report=print,
            track=progress_bar,
        )
    except (ExportError, OSError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("export: interrupted, nothing was left behind", file=sys.stderr)
        return 130
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
