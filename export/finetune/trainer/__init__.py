"""Train the classifier with PyTorch, in ``.venv-torch``.

    python -m export.finetune.trainer DIR.training

``__main__`` runs ``loop`` and reports its errors. ``model`` is the network, ``batches`` chooses and pads the texts,
``state`` saves and restores a training, ``device`` chooses the processor and the precision, ``display`` shows the
progress. Nothing here imports ``export.checkpoint``, which reaches TensorFlow.
"""
