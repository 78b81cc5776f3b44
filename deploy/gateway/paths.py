"""The addresses of the gateway, and which of them are questions."""

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
    """Return whether the model is asked there: what limits and API keys are for."""
    return path == PREDICT or path.startswith("/v1/")


def label(path: str) -> str:
    """Return a path for a metric's label: of the many that a caller can think of, only those that there are."""
    return path if path in _KNOWN else "other"
