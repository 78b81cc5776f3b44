"""Convert between TensorFlow Serving's JSON and tensors."""
