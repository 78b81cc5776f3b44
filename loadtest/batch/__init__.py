"""Measure ``python -m deploy.batch`` and kill it."""
