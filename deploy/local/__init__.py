"""Export and serve a model on one machine without Docker."""
