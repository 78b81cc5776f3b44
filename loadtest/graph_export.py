"""Write a checkpoint's SavedModel without the rest of a version.

    PYTHONPATH=CHECKOUT/client:CHECKOUT python loadtest/graph_export.py CHECKPOINT FOLDER

The graph is that of the checkout in PYTHONPATH, so that two commits can be compared. The whitening is arbitrary and
does not change the cost of the graph.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from export.bert import Bert
from export.checkpoint import load_checkpoint
from export.signatures import Whiten, build_signatures
from export.whitening import Whitening

_DIMENSIONS = 256


def main(checkpoint_folder: Path, output: Path) -> None:
    """Write the SavedModel of a checkpoint."""
    checkpoint = load_checkpoint(checkpoint_folder)
    width = checkpoint.config.hidden_size
    whitening = Whitening(np.zeros(width, np.float32), np.eye(width, _DIMENSIONS, dtype=np.float32), 1)
    bert = Bert(checkpoint.config, checkpoint.weights)
    bert.whiten = Whiten(whitening)
    tf.saved_model.save(bert, str(output), signatures=build_signatures(bert, bert.whiten, checkpoint))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
