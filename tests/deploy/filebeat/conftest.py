"""Fixtures of a real Filebeat."""

from tests.support.filebeat import filebeat_program, ship

__all__ = ["filebeat_program", "ship"]
