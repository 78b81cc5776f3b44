"""Load test of the request log.

The log has one line per answered sentence.
"""
