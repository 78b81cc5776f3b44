"""Fine-tune a BERT checkpoint as a text classifier.

    python -m export.finetune --model models/demo --train train.tsv --dev dev.tsv --output DIR

Two processes share a folder, ``DIR.training``. The command's own process reads the checkpoint and the labelled text
(``examples``, ``labels``, ``encoding``, ``preparation``), and writes the result (``metrics``, ``picture``, ``result``).
It never imports PyTorch, because reading Google's checkpoints needs TensorFlow. ``trainer`` is the process in between,
in ``.venv-torch``. ``plan`` and ``layout`` define what the two exchange.

This module imports no other, since ``trainer`` must not reach TensorFlow.
"""

__all__: list[str] = []
