"""What a request asks of a model: Predict, Classify, Regress, and several of them at once."""
