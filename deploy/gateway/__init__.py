"""The gateway with web page, JSON API, request log, health and metrics."""
