"""Versions of models: found on disk, loaded, warmed up, served, replaced and unloaded."""
