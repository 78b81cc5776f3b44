"""A real Elasticsearch for tests, if one is given.

ELASTICSEARCH_URL, and with security ELASTIC_PASSWORD, name a server for tests: its templates and roles of this
project are replaced, and streams with a name of their own are left in it.
"""

import os
import secrets
from collections.abc import Iterator

import pytest

from deploy.elasticsearch.accounts import login
from deploy.elasticsearch.json_api import JsonApi

URL = os.environ.get("ELASTICSEARCH_URL", "")


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[JsonApi]:
    """The server as its superuser."""
    if not URL:
        pytest.skip("ELASTICSEARCH_URL names no Elasticsearch for tests (and ELASTIC_PASSWORD its password)")
    with JsonApi(URL, login(os.environ)) as api:
        api.wait_until_ready("/", 60)
        yield api


@pytest.fixture
def namespace() -> str:
    """A namespace of streams that no other test uses."""
    return f"test{secrets.token_hex(6)}"
