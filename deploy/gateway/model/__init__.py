"""Watch the served model's versions, loads and latency."""
