"""Serve health, gauges and the monitoring page."""
