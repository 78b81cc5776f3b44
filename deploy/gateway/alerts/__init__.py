"""Evaluate alerts in the gateway.

``table.ALERTS`` defines them, ``rules`` decide over windows of time when one fires, and ``evaluator`` reports the start
and the end of each once, in the log and as a ``notice`` that ``webhook`` delivers. The state is not persistent: an
alert that fires when the process stops has no end notice, and the next process starts without it.
"""
