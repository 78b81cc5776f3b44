"""Record each request: a log line and metrics."""
