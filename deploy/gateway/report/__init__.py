"""Report on a time range of the request log.

``query.read_report`` computes the figures of a ``time_range`` with DuckDB.
``python -m deploy.gateway.report --since 24h`` writes them as text, JSON, HTML or PNG; the dashboard is a page of them.
``log_lines.find_lines`` finds the lines behind a figure.
"""
