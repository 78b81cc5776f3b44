"""Define the signatures of a version.

They are the contract between export, servers and clients.

B sentences, S tokens, M masks, C candidates, K exported answers, L labels, H hidden size, V vocabulary; int32 ids,
float32 scores.

A batching server pads every input with that input's first element, which would corrupt an attention mask. So the graph
builds the mask from ``lengths``, which has rank 1 and is never padded. ``serving_default`` follows Hugging Face's
contract for other clients and must not be batched.
"""

from typing import Any

from export.bert import Bert
from export.checkpoint import Checkpoint
from export.signatures.classify import EXAMPLES, build_classify, set_method_name
from export.signatures.common import Whiten, client_config, vocabulary_bytes
from export.signatures.fill_mask import TOP_K, answer_count, build_fill_mask

__all__ = [
    "EXAMPLES",
    "TOP_K",
    "Whiten",
    "answer_count",
    "build_signatures",
    "client_config",
    "set_method_name",
    "vocabulary_bytes",
]


def build_signatures(bert: Bert, whiten: Whiten, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the concrete functions of a version by signature name."""
    if checkpoint.classifier:
        return build_classify(bert, whiten, checkpoint, checkpoint.classifier)
    return build_fill_mask(bert, whiten, checkpoint)
