"""Alerts, evaluated in the gateway from its own events: ``table.ALERTS`` says which there are.

``rules`` decide over windows of time when one is to fire, ``evaluator`` tells each once when it begins and once when it
ends, to the log and as a ``notice`` that ``webhook`` delivers. What is firing when the process ends, ends with it: no
end is told, and the next process begins anew.
"""
