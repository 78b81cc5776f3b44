"""Count the operations in the graph that TensorFlow runs.

    python -m tests.export.optimised FOLDER SIGNATURE

prints the number of operations by kind, as JSON. The graph is the session's, optimised by grappler as in TensorFlow
Serving.
"""

import collections
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def operations(folder: Path, signature: str) -> dict[str, int]:
    """Return the number of operations by kind."""
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        definition = meta_graph.signature_def[signature]
        # One [MASK] in each of two sentences of four tokens.
        shapes = {"input_ids": (2, 4), "lengths": (2,), "mask_positions": (2, 1)}
        feeds = {info.name: np.full(shapes[name], 1, np.int32) for name, info in definition.inputs.items()}
        metadata = tf.compat.v1.RunMetadata()
        options = tf.compat.v1.RunOptions(output_partition_graphs=True)
        outputs = [info.name for info in definition.outputs.values()]
        session.run(outputs, feeds, options=options, run_metadata=metadata)
    return dict(collections.Counter(node.op for graph in metadata.partition_graphs for node in graph.node))


if __name__ == "__main__":
    print(json.dumps(operations(Path(sys.argv[1]), sys.argv[2])))
