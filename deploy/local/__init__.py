"""The whole way on one machine without Docker: checkpoint, export, embedded server, gateway, answers."""
