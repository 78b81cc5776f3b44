"""What the gateway reports of itself: /healthz, gauges and the monitoring page."""
