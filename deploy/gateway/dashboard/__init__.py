"""Serve the report and the log lines behind its figures.

The pages are ``/dashboard`` and ``/dashboard/lines``.

``routes`` answers requests, ``reports`` computes one report at a time and caches it for some seconds, ``computing``
runs ``rendering`` in a separate process: ``report_view`` with ``tiles`` and ``plots``, or ``lines_view``. ``page`` and
``words`` render the page around it. Style and scripts are in ``page/``.
"""
