"""Choose the graph of a checkpoint."""

from export.checkpoint import Checkpoint
from export.onnx.bert import OnnxBert
from export.onnx.classify import OnnxClassifier
from export.onnx.fill_mask import OnnxFillMask
from export.onnx.graph import Graph
from export.onnx.products import Products


def create_bert(graph: Graph, products: Products, checkpoint: Checkpoint, top_k: int = 1) -> OnnxBert:
    """Return the builder of a checkpoint's graph.

    Args:
        graph: the graph that the nodes are added to.
        products: in float32 or integers.
        checkpoint: the checkpoint.
        top_k: the number of answers for each mask of a masked language model.
    """
    if checkpoint.classifier:
        return OnnxClassifier(graph, products, checkpoint, checkpoint.classifier)
    return OnnxFillMask(graph, products, checkpoint, top_k)
