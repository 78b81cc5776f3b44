"""The request log under load: every answered sentence must have exactly one line, whatever happens to the process."""
