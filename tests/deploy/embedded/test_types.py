"""Test the type check of inputs with a session's texts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bert_mlm_client.wire import messages

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.types import check_types

INFO = messages.TensorInfo
ENGINE: Any = SimpleNamespace(
    signatures={
        "pair": messages.SignatureDef(inputs={"a": INFO(name="y:0"), "b": INFO(name="x:0")}),
        "other": messages.SignatureDef(inputs={"a": INFO(name="z:0")}),
        "wrong": messages.SignatureDef(inputs={"a": INFO(name="y:0", dtype=messages.DT_STRING)}),
    },
    input_types={"x:0": messages.DT_STRING, "y:0": messages.DT_FLOAT, "z:0": 21},  # a variant
)
A = np.ones(1, np.float32)
B = np.array([b"x"], object)


@pytest.mark.parametrize(
    ("signatures", "inputs", "text"),
    [
        (["pair"], {"a": A, "b": A}, "Expects arg[0] to be string but float is provided"),
        (["pair"], {"a": B, "b": B}, "Expects arg[1] to be float but string is provided"),
        (["pair"], {"a": A.astype(np.float64), "b": B}, "Expects arg[1] to be float but double is provided"),
        (["pair"], {"a": A.astype(np.float16), "b": B}, "Expects arg[1] to be float but half is provided"),
        (["other", "wrong"], {"a": B}, "Expects arg[0] to be float but string is provided"),
    ],
)
def test_types_are_named_and_counted_as_a_session_does(signatures: list[str], inputs: Any, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        check_types(ENGINE, signatures, inputs)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


def test_a_type_that_a_signature_gets_wrong_does_not_count() -> None:
    check_types(ENGINE, ["wrong"], {"a": A})


def test_a_type_that_only_the_graph_can_judge_is_left_to_it() -> None:
    check_types(ENGINE, ["other"], {"a": A})
