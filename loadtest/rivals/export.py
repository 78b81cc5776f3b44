"""Export a checkpoint to ONNX as articles do.

    python -m loadtest.rivals.export --model FOLDER --output FILE

The graph is transformers' BertForMaskedLM in float32, with the logits of every token as its only output.
"""

import argparse
import logging as standard_logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def export(model: Path, output: Path) -> None:
    """Write the graph and its weights as one ONNX file."""
    import torch
    from transformers import BertForMaskedLM, logging

    class Logits(torch.nn.Module):
        """The model with positional arguments and a tensor output."""

        def __init__(self) -> None:
            super().__init__()
            self.model = BertForMaskedLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.model(input_ids, attention_mask, token_type_ids).logits

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    standard_logging.getLogger("torch.onnx").setLevel(standard_logging.ERROR)  # hide that torchvision is missing
    example = tuple(torch.full((2, 8), value) for value in (5, 1, 0))  # one tensor twice would become one input
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", min=3)
    output.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings of the exporter's own code
        torch.onnx.export(
            Logits(),
            example,
            output,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=[{0: batch, 1: tokens}] * len(INPUTS),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Export a checkpoint to ONNX with full logits."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.rivals.export", description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file")
    options = parser.parse_args(arguments)
    export(options.model, options.output)


if __name__ == "__main__":
    main()
