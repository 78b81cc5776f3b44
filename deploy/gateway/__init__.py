"""What stands in front of the model server: page, JSON API, request log, health and metrics."""
