"""Compute the replicas, cores and memory for a rate and a latency target (``python -m loadtest.sizing``)."""
