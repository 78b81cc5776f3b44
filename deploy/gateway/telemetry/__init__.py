"""Record each request in log and metrics."""
