"""Verify deploy/kubernetes on a cluster for tests."""
