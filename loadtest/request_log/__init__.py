"""Load test of the request log, one line per answered sentence."""
