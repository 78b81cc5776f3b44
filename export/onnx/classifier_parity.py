"""Compare a classifier's light file with transformers' model.

``export.onnx.classifier_agreement`` measures the labels on text. This module compares the tokenizer and the vectors.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.checkpoint import ClassifierConfig
from export.errors import ParityError
from export.onnx.model import ONNX_FILE
from export.onnx.parity import FEATURES, check_tokenizer, cosine
from export.onnx.session import classifier_feeds, open_session
from export.reference import ClassifierAnswer


def compare_light_classifier(
    version: Path, head: ClassifierConfig, references: Sequence[ClassifierAnswer], vocabulary: bytes, config: bytes
) -> float:
    """Return the mean cosine of a light file's vectors.

    Of the means of ``cls`` and ``mean``, the lower is returned.

    Args:
        version: the version's folder.
        head: the settings of the classifier.
        references: the original's answers.
        vocabulary: ``vocab`` of the SavedModel's ``tokenizer`` signature.
        config: ``config`` of the same signature.

    Raises:
        ParityError: the light file has another tokenizer, or its vectors miss ``FEATURES``.
    """
    session = open_session(version / ONNX_FILE)
    check_tokenizer(version, session, vocabulary, config)
    cosines = []
    for reference in references:
        ids = reference.ids[None]
        inputs = classifier_feeds(head, ids, np.array([ids.size], np.int32), every=True)
        cls, mean = session.run(["cls", "mean"], inputs)
        cosines.append([cosine(cls[0], reference.hidden[0]), cosine(mean[0], reference.mean)])
    found = float(np.mean(cosines, axis=0).min())
    # `not >=` instead of `<`, so that NaN fails.
    if not found >= FEATURES:
        msg = f"{version}'s light file differs: cosine of sentence vectors {found:.3f} (at least {FEATURES})"
        raise ParityError(msg)
    return found
