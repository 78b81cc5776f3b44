"""Serve the JSON API and its documentation."""
