"""The paths of the gateway."""

PREDICT = "/predict"
FILL_MASK = "/v1/fill-mask"
SCORE = "/v1/score"
SIMILARITY = "/v1/similarity"
FEATURES = "/v1/features"
EXPLAIN = "/v1/explain"
HEALTHZ = "/healthz"
READYZ = "/readyz"
METRICS = "/metrics"
DASHBOARD = "/dashboard"
DOCS = "/docs"
OPENAPI = "/openapi.json"
PAGE = "/"

_KNOWN = frozenset(
    (PREDICT, FILL_MASK, SCORE, SIMILARITY, FEATURES, EXPLAIN, HEALTHZ, READYZ, METRICS, DASHBOARD, DOCS, OPENAPI, PAGE)
)


def is_question(path: str) -> bool:
    """Return whether a path queries the model (with limits and API keys)."""
    return path == PREDICT or path.startswith("/v1/")


def label(path: str) -> str:
    """Return a known path or ``other``, which bounds the values of a metric's label."""
    return path if path in _KNOWN else "other"
