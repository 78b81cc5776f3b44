"""TensorFlow Serving's flags, ports and APIs in one Python process."""
