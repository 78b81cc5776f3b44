"""Compare what the model answers today with the version's baseline."""
