"""The REST and gRPC APIs and their servers."""
