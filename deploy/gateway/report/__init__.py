"""Report on a time range of the request log.

``query.read_report`` computes the figures of a ``time_range`` with DuckDB.
``python -m deploy.gateway.report --since 24h`` writes them as text, JSON, HTML or PNG; ``html_report.html_fragment``
returns them as a part of a page.
"""
