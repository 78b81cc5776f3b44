"""Run the reference process (``python -m export.reference CHECKPOINT``).

It needs the environment with PyTorch, reads requests from standard input and writes answers to standard output until
the caller closes the pipe.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, get_args

from export.errors import ReferenceModelError
from export.reference.messages import read_message, write_message
from export.task import Task

Calls = Mapping[str, Callable[..., Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a checkpoint on standard input and output for ``export.reference.ReferenceProcess``."""
    parser = argparse.ArgumentParser(prog="python -m export.reference", description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--task", choices=get_args(Task), required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--lower-case", action=argparse.BooleanOptionalAction)
    options = parser.parse_args(arguments)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that a library's print does not corrupt the answers
    # All files are local, but transformers would still query the hub.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    try:
        calls, started = _load(options.checkpoint, options.task, options.precision, options.lower_case)
    except ImportError as error:
        write_message(answers, {"error": f"{sys.executable} cannot run the reference model: {error}"})
        return
    except Exception as error:  # noqa: BLE001 - the caller raises it
        write_message(answers, {"error": _sentence(error)})
        return
    write_message(answers, started)
    serve(calls, sys.stdin.buffer, answers)


def _load(checkpoint: Path, task: Task, precision: str, lower_case: bool | None) -> tuple[Calls, dict[str, Any]]:  # noqa: FBT001 - as on the command line
    """Return the calls and the first message of a checkpoint."""
    from export.reference.model import TransformersMaskedLanguageModel, TransformersModel

    model: TransformersModel
    if task == "fill_mask":
        model = filler = TransformersMaskedLanguageModel(checkpoint, precision, lower_case)
        own: Calls = {"answer": filler.answer, "fill": filler.fill}
    else:
        from export.reference.classifier_model import TransformersClassifier

        model = classifier = TransformersClassifier(checkpoint, precision, lower_case)
        own = {
            "answer": classifier.answer,
            "classify": classifier.classify,
            "tokenize_pair": classifier.tokenize_pair,
        }
    calls: Calls = {"tokenize": model.tokenize, "tokenize_all": model.tokenize_all, **own}
    return calls, {"mask_id": model.mask_id, "special_tokens": model.special_tokens}


def serve(calls: Calls, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until the caller closes the pipe."""
    while True:
        try:
            body, arrays = read_message(requests)
        except EOFError:
            return
        try:
            answer = calls[body["call"]](**body["arguments"], **arrays)
        except Exception as error:  # noqa: BLE001 - the caller raises it
            answer = ({"error": _sentence(error)},)
        write_message(answers, *answer)


def _sentence(error: Exception) -> str:
    """Format an error on one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ReferenceModelError) else f"{type(error).__name__} in transformers: {text}"


if __name__ == "__main__":
    main()
