"""What the request log says about a time range, computed by DuckDB over the log files themselves.

``query.read_report`` computes the figures of a ``time_range``; they are shown as text, JSON, HTML and PNG by
``python -m deploy.gateway.report --since 24h`` and as a part of a page by ``html_report.html_fragment``.
"""
