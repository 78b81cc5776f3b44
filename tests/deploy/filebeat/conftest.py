"""Fixtures of a real Filebeat and a real Elasticsearch."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.elasticsearch.json_api import JsonApi
from deploy.elasticsearch.setup import set_up
from tests.deploy.filebeat.delivery import Delivery
from tests.deploy.filebeat.overload import Overload
from tests.support.elastic import elasticsearch, elasticsearch_server, namespace
from tests.support.filebeat import filebeat_program, ship

__all__ = ["elasticsearch", "elasticsearch_server", "filebeat_program", "namespace", "ship"]


@pytest.fixture
def delivery(filebeat_program: Path, elasticsearch: JsonApi, namespace: str, tmp_path: Path) -> Delivery:
    """A log, and the stream it is shipped to."""
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    return Delivery(filebeat_program, elasticsearch, namespace, tmp_path)


@pytest.fixture
def overload(elasticsearch: JsonApi) -> Iterator[Overload]:
    """A proxy of the server that can reject bulk requests."""
    with Overload(elasticsearch.url).run() as proxy:
        yield proxy
