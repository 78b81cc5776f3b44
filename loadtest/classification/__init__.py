"""Measure text classification beside the usual design."""
