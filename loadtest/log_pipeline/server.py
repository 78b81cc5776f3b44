"""Use the Elasticsearch that is given, or start one."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from deploy.elasticsearch.accounts import login
from deploy.elasticsearch.json_api import JsonApi
from deploy.elasticsearch.setup import set_up
from loadtest.log_pipeline.tools import started

_READY_S = 120.0


@contextmanager
def elasticsearch() -> Iterator[JsonApi]:
    """Connect to an Elasticsearch for tests.

    It is that of ELASTICSEARCH_URL, or one of ``make log-tools`` that runs during the block. Its templates and roles of
    this project are replaced.

    Raises:
        StartError: no server is given, and none could be started.
        SetupError: the server cannot be reached or rejected a request.
    """
    with ExitStack() as stack:
        url, account = os.environ.get("ELASTICSEARCH_URL"), login(os.environ)
        if not url:
            server = stack.enter_context(started())
            url, account = server.url, server.login
        api = stack.enter_context(JsonApi(url, account))
        api.wait_until_ready("/", _READY_S)
        set_up(api, retention="30d", accounts=(), say=lambda _: None)
        yield api
