"""Fixtures with a table model and its client."""

from collections.abc import Iterator

import pytest
from bert_mlm_client import FillMask

from tests.client.exchanges.table_model import TableModel


@pytest.fixture
def table() -> TableModel:
    return TableModel()


@pytest.fixture
def client(table: TableModel) -> Iterator[FillMask]:
    with table.client() as client:
        yield client
