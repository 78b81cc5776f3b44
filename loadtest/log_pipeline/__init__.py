"""End-to-end test of the logs from the gateway to Elasticsearch."""
