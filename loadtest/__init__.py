"""Load tests and benchmarks of the servers."""
