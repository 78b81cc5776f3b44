"""Fixtures of a real Filebeat and a real Elasticsearch."""

from collections.abc import Iterator

import pytest

from deploy.elasticsearch.json_api import JsonApi
from tests.deploy.filebeat.overload import Overload
from tests.support.elastic import elasticsearch, elasticsearch_server, namespace
from tests.support.filebeat import filebeat_program, ship

__all__ = ["elasticsearch", "elasticsearch_server", "filebeat_program", "namespace", "ship"]


@pytest.fixture
def overload(elasticsearch: JsonApi) -> Iterator[Overload]:
    """A proxy of the server that can reject bulk requests."""
    with Overload(elasticsearch.url).run() as proxy:
        yield proxy
