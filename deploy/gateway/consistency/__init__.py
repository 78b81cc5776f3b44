"""Compare the model's answers with the version's baseline."""
