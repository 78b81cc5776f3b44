"""Compute replicas, cores and memory for a rate (``python -m loadtest.sizing``)."""
