"""Locust users of REST, gRPC and gateway, with their checks."""
