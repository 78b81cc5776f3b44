"""Parse the command line of a fine-tuning run."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from export.errors import ExportError
from export.finetune.errors import ReportedError
from export.finetune.examples import Columns
from export.finetune.options import BALANCED, FinetuneOptions
from export.finetune.preparation import Inputs
from export.finetune.process import INTERRUPTED
from export.finetune.run import finetune
from export.source import find_checkpoint

_DEFAULTS = FinetuneOptions()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fine-tune a BERT checkpoint as a text classifier."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        inputs = Inputs(find_checkpoint(options.model, options.revision), options.train, options.dev, _options(options))
        finetune(
            inputs,
            options.output,
            resume=options.resume,
            force=options.force,
            save_every_s=options.save_every,
            report=lambda line: print(line, flush=True),
        )
    except ImportError as error:
        print(f"finetune: {sys.executable} lacks {error.name}; run the command with .venv/bin/python", file=sys.stderr)
        return 1
    except ReportedError:
        return 1
    except (ExportError, OSError) as error:
        print(f"finetune: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("finetune: out of memory while reading the texts; split the files", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("finetune: interrupted; the same command with --resume continues", file=sys.stderr)
        return INTERRUPTED
    return 0


def _options(options: argparse.Namespace) -> FinetuneOptions:
    return FinetuneOptions(
        columns=Columns(
            options.text_column,
            options.label_column,
            options.text_pair_column,
            None if options.header is None else tuple(options.header.split(",")),
            options.label_separator if options.multi_label else None,
        ),
        seed=options.seed,
        epochs=options.epochs,
        batch_size=options.batch_size,
        accumulate=options.accumulate,
        max_length=options.max_length,
        learning_rate=options.learning_rate,
        label_smoothing=options.label_smoothing,
        hidden_dropout=options.hidden_dropout,
        classifier_dropout=options.classifier_dropout,
        mask_characters=options.mask_characters,
        layers=options.layers,
        pooling=options.pooling,
        patience=options.patience,
        precision=options.precision,
        class_weights=options.class_weights,
        from_scratch=options.from_scratch,
        lower_case=options.lower_case,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.finetune", description=main.__doc__, allow_abbrev=False)
    _add_files(parser)
    _add_columns(parser)
    _add_model(parser)
    _add_training(parser)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument("--model", required=True, help="a checkpoint folder, or a name on the Hugging Face hub")
    group.add_argument("--revision", help="commit, branch or tag on the hub (default: pinned where known, else main)")
    group.add_argument("--train", type=Path, required=True, metavar="FILE", help="labelled text: .tsv, .csv or .jsonl")
    group.add_argument("--dev", type=Path, required=True, metavar="FILE", help="labelled text to measure on")
    group.add_argument("--output", type=Path, required=True, metavar="DIR", help="the classifier's folder")
    group.add_argument("--resume", action="store_true", help="continue an interrupted training, if there is one")
    group.add_argument("--force", action="store_true", help="replace DIR, discard an interrupted training")
    group.add_argument(
        "--save-every",
        type=_number(0, 86_400),
        default=30,
        metavar="SECONDS",
        help="how often the state is saved for --resume (default 30, at most 5 %% of the time; 0 after every step)",
    )


def _add_columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("columns")
    group.add_argument("--text-column", default=_DEFAULTS.columns.text, metavar="NAME", help="default text")
    group.add_argument("--label-column", default=_DEFAULTS.columns.label, metavar="NAME", help="default label")
    group.add_argument("--text-pair-column", metavar="NAME", help="the second text of a pair (default: none)")
    group.add_argument("--header", metavar="NAMES", help="the columns of files without header, such as text,label")
    group.add_argument("--multi-label", action="store_true", help="a text can have several labels, or none")
    group.add_argument(
        "--label-separator", type=_text, default=",", metavar="TEXT", help="separates a text's labels (default ,)"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--pooling",
        choices=("cls", "mean"),
        default=_DEFAULTS.pooling,
        help="what the classifier reads: the state of [CLS] (default), or the mean over all tokens",
    )
    group.add_argument("--layers", type=_count, metavar="N", help="keep the first N layers (default: all)")
    group.add_argument(
        "--hidden-dropout", type=_share, metavar="P", help="dropout in the encoder (default: the checkpoint's)"
    )
    group.add_argument(
        "--classifier-dropout",
        type=_share,
        default=_DEFAULTS.classifier_dropout,
        metavar="P",
        help="dropout before the classifier (default 0.1)",
    )
    group.add_argument("--from-scratch", action="store_true", help="start from random weights, to compare")
    group.add_argument(
        "--lower-case", action=argparse.BooleanOptionalAction, help="override do_lower_case of tokenizer_config.json"
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument("--seed", type=_number(0, 2**32 - 1, int), default=_DEFAULTS.seed, help="default 1")
    group.add_argument("--epochs", type=_count, default=_DEFAULTS.epochs, metavar="N", help="default 3")
    group.add_argument("--batch-size", type=_count, default=_DEFAULTS.batch_size, metavar="N", help="default 64")
    group.add_argument(
        "--accumulate",
        type=_count,
        default=_DEFAULTS.accumulate,
        metavar="N",
        help="compute each batch in N parts, to save memory (default 1)",
    )
    group.add_argument(
        "--max-length", type=_number(4, 1 << 20, int), metavar="N", help="tokens per text (default: at most 128)"
    )
    group.add_argument(
        "--learning-rate",
        type=_number(1e-9, 1),
        metavar="RATE",
        help="default: by model size, 3e-5 for hidden size 768",
    )
    group.add_argument(
        "--label-smoothing",
        type=_share,
        default=_DEFAULTS.label_smoothing,
        metavar="P",
        help="share of the target that all labels divide (default 0)",
    )
    group.add_argument(
        "--mask-characters",
        type=_share,
        default=_DEFAULTS.mask_characters,
        metavar="P",
        help="share of characters to hide by [MASK] (default 0)",
    )
    group.add_argument(
        "--class-weights", metavar="FILE", help=f"`{BALANCED}`, or a JSON object from label to weight (default: equal)"
    )
    group.add_argument(
        "--patience",
        type=_number(0, 1000, int),
        default=_DEFAULTS.patience,
        metavar="N",
        help="stop after N epochs without a better macro-F1 on dev; 0 never stops (default 2)",
    )
    group.add_argument(
        "--precision",
        choices=("auto", "bf16", "fp32"),
        default=_DEFAULTS.precision,
        help="of the products; auto is bf16 where the processor multiplies in it (default auto)",
    )


def _number(low: float, high: float, kind: type[int] | type[float] = float) -> Callable[[str], float]:
    """Return a parser of numbers in a range."""

    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            msg = f"{text} is not between {low:g} and {high:g}"
            raise argparse.ArgumentTypeError(msg)
        return value

    parse.__name__ = "integer" if kind is int else "number"  # argparse names it for other errors
    return parse


_count = _number(1, 1_000_000, int)
_share = _number(0, 0.99)


def _text(text: str) -> str:
    if not text:
        msg = "write at least one character"
        raise argparse.ArgumentTypeError(msg)
    return text
