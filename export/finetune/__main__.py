"""Run the fine-tuning from the command line (``python -m export.finetune``)."""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("bert_mlm_client") is None:  # .venv-torch has no client
    sys.path.append(str(Path(__file__).parents[2] / "client"))

from export.finetune.command import main

if __name__ == "__main__":
    sys.exit(main())
