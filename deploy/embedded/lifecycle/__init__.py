"""Find, load, warm up, serve, replace and unload versions."""
