"""Test that answers are strict JSON."""

import json
import math

import pytest
from bert_mlm_client import ProtocolError

from deploy.gateway.api import responses


def test_an_answer_is_json() -> None:
    assert json.loads(bytes(responses.response([{"cls": [0.5]}]).body)) == [{"cls": [0.5]}]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_no_json_has_is_the_models_fault(number: float) -> None:
    with pytest.raises(ProtocolError, match="check the served version"):
        responses.response([{"cls": [0.5, number]}])
