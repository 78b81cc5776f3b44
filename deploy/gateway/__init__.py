"""Serve the web page, the JSON API, health and metrics.

Requests are recorded in a log of JSON lines.
"""
