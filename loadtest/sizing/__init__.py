"""Compute replicas, cores and memory for a rate and target."""
