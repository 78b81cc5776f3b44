"""TensorFlow Serving's ports: REST, gRPC, model status, health, and the servers that listen."""
