"""The log of the gateway: kinds of lines, what is hidden in them, the file, and the resources told at intervals.

::

    lines -> request_log (redact, sample, json_lines) -> writer (queue, thread) -> append, rotation (file)
"""
