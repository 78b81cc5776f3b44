"""Health, gauges and the monitoring page."""
