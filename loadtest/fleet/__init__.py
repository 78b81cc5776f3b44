"""Test several servers with their own addresses under faults."""
