"""TensorFlow Serving's JSON: requests to tensors and tensors to answers, with its error texts."""
