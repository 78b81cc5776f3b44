"""Test the checks of a Predict request without a server."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from bert_mlm_client.wire import encode_tensor, messages

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.inference.predict import prepare

INFO = messages.TensorInfo
SIGNATURES: Mapping[str, messages.SignatureDef] = {
    "serving_default": messages.SignatureDef(
        inputs={"a": INFO(name="a:0", dtype=messages.DT_FLOAT), "b": INFO(name="b:0", dtype=messages.DT_STRING)},
        outputs={"y": INFO(name="y:0"), "z": INFO(name="z:0")},
        method_name="tensorflow/serving/predict",
    ),
    "other": messages.SignatureDef(inputs={"a": INFO(name="a:0", dtype=messages.DT_HALF)}, method_name="not/supported"),
    "unknown": messages.SignatureDef(inputs={"a": INFO.FromString(b"\x10\x15")}),  # dtype 21, a variant
}
A = np.ones(1, np.float32)
B = np.array([b"x"], object)


def refusal(name: str, inputs: Any, **options: Any) -> tuple[Code, str]:
    with pytest.raises(ServingError) as caught:
        prepare(SIGNATURES, name, inputs, **options)
    return caught.value.code, caught.value.message


def test_messages_become_arrays() -> None:
    call = prepare(SIGNATURES, "serving_default", {"b": encode_tensor(B), "a": encode_tensor(A)})
    assert call.inputs["a"].tolist() == [1.0]
    assert call.inputs["b"].tolist() == [b"x"]
    assert call.outputs == ("y", "z")


def test_the_order_of_a_filter_is_kept() -> None:
    assert prepare(SIGNATURES, "serving_default", {"a": A, "b": B}, output_filter=["z", "y"]).outputs == ("z", "y")


def test_the_first_fault_counts() -> None:
    broken = messages.TensorProto(dtype=messages.DT_FLOAT, tensor_content=b"123")
    assert refusal("none", {"a": broken})[0] is Code.FAILED_PRECONDITION
    assert refusal("serving_default", {"a": broken})[1].startswith("input size does not match signature: 1!=2")
    several = {"a": broken, "b": encode_tensor(A)}
    assert refusal("serving_default", several, output_filter=["none"])[1] == "tensor parsing error: a"
    wrong = {"a": A, "b": A}
    text = "output tensor alias not found in signature: none Outputs expected to be in the set {y,z}."
    assert refusal("serving_default", wrong, output_filter=["none"]) == (Code.INVALID_ARGUMENT, text)


def test_method_names_count_only_when_asked_for() -> None:
    given = {"a": A.astype(np.float16)}
    assert prepare(SIGNATURES, "other", given).signature == "other"
    code, text = refusal("other", given, check_method_name=True)
    assert code is Code.INTERNAL
    assert text == (
        "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
        "tensorflow/serving/classify, tensorflow/serving/regress}. Was: not/supported"
    )
    assert prepare(SIGNATURES, "serving_default", {"a": A, "b": B}, check_method_name=True).outputs == ("y", "z")
