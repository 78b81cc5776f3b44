"""Define the gateway's paths and the questions' tasks."""

from collections.abc import Mapping

from deploy.gateway.log.lines import InferenceTask

PREDICT = "/predict"
FILL_MASK = "/v1/fill-mask"
SCORE = "/v1/score"
SIMILARITY = "/v1/similarity"
FEATURES = "/v1/features"
EXPLAIN = "/v1/explain"
PROOFREAD = "/v1/proofread"
CLASSIFY = "/v1/classify"
SENTENCE_SIMILARITY = "/v1/sentence-similarity"
FEATURE_EXTRACTION = "/v1/feature-extraction"
TEXT_CLASSIFICATION = "/v1/text-classification"
HEALTHZ = "/healthz"
READYZ = "/readyz"
METRICS = "/metrics"
DASHBOARD = "/dashboard"
LOG_LINES = "/dashboard/lines"
DOCS = "/docs"
OPENAPI = "/openapi.json"
PAGE = "/"
OTHER = "other"
"""The label of all other paths."""

TASKS: Mapping[str, InferenceTask] = {
    PREDICT: "mask_prediction",
    FILL_MASK: "mask_prediction",
    SCORE: "token_scoring",
    SIMILARITY: "semantic_similarity",
    FEATURES: "feature_extraction",
    EXPLAIN: "explanation",
    PROOFREAD: "proofreading",
    CLASSIFY: "text_classification",
    SENTENCE_SIMILARITY: "semantic_similarity",
    FEATURE_EXTRACTION: "feature_extraction",
    TEXT_CLASSIFICATION: "text_classification",
}

_KNOWN = frozenset((*TASKS, HEALTHZ, READYZ, METRICS, DASHBOARD, LOG_LINES, DOCS, OPENAPI, PAGE))


def is_question(path: str) -> bool:
    """Return whether a path queries the model.

    Such a path has limits and API keys.
    """
    return path == PREDICT or path.startswith("/v1/")


def label(path: str) -> str:
    """Return a known path, else ``other``.

    This bounds the values of labels and log fields.
    """
    return path if path in _KNOWN else OTHER
