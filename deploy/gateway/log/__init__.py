"""Log requests and events as JSON lines.

::

    lines -> request_log (redact, sample, json_lines, counts) -> writer (queue, thread) -> append, rotation (file)
"""
