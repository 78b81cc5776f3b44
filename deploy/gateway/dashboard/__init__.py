"""Serve the report as a page, /dashboard.

``routes`` answers requests, ``reports`` computes one report at a time and caches it for some seconds, ``computing``
runs a report in a separate process, ``page`` and ``words`` render the page. Its style and script are in ``page/``.
"""
