"""Fixtures of a real Filebeat and a real Elasticsearch."""

from tests.support.elastic import elasticsearch, namespace
from tests.support.filebeat import filebeat_program, ship

__all__ = ["elasticsearch", "filebeat_program", "namespace", "ship"]
