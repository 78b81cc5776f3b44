"""Test ids, traces and timings of requests."""

import pytest

from deploy.gateway.context import RequestContext
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def of(**headers: str) -> RequestContext:
    return RequestContext.of([(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()])


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00",
        PARENT[:-1],
        PARENT.upper(),
        f"{PARENT}-more",  # version 00 has four fields
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_a_damaged_trace_context_counts_as_none(traceparent: str) -> None:
    context = of(traceparent=traceparent, tracestate="a=1")
    assert (context.traceparent, context.trace_id) == (None, None)


def test_a_trace_context_of_a_later_version_may_say_more() -> None:
    context = of(traceparent=f"01-{TRACE}-b7ad6b7169203331-01-more")
    assert context.trace_id == TRACE


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a b", 'a"b', "a\nb", "号"])
def test_a_request_id_that_could_do_harm_in_a_log_is_replaced(request_id: str) -> None:
    made = of(x_request_id=request_id).request_id
    assert made != request_id
    assert len(made) == 32


def test_requests_that_overlap_count_once_as_time_of_the_model_server(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 2.0, 3.0, 7.0, 10.0, 11.0, 12.0])
    monkeypatch.setattr("deploy.gateway.context.perf_counter", lambda: next(clock))
    context = RequestContext("id", began=0.0)
    context.ask()  # 1
    context.send()  # 2
    context.send()  # 3
    context.receive()
    context.receive()  # 7
    context.send()  # 10
    context.receive()  # 11
    assert context.tokenize_s == 1
    assert context.inference_s == 6
    assert context.server_timing() == "queue;dur=0.00, tokenize;dur=1000.00, inference;dur=6000.00, total;dur=12000.00"


def test_a_question_that_fails_counts_what_its_other_requests_have_taken_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([1.0, 2.0, 3.0, 7.0])
    monkeypatch.setattr("deploy.gateway.context.perf_counter", lambda: next(clock))
    context = RequestContext("id", began=0.0)
    context.ask()  # 1
    context.send()  # 2
    context.send()  # 3
    context.receive()  # which has failed, while the other is still open
    context.abandon()  # 7
    context.receive()
    assert context.inference_s == 5


def test_the_callers_trace_goes_on_to_the_model_server_and_into_the_log(scripted: Gateway, model: Model) -> None:
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    scripted.post("/predict", {"text": SENTENCE}, headers=headers)
    scripted.post("/predict", {"text": SENTENCE}, headers={"traceparent": PARENT, "tracestate": "?"})
    scripted.post("/predict", {"text": SENTENCE})
    first, second, third = model.requests("fill_mask")
    assert (first.headers["traceparent"], first.headers["tracestate"]) == (PARENT, "vendor=1")
    assert second.headers["traceparent"] == PARENT
    assert "tracestate" not in second.headers
    assert "traceparent" not in third.headers
    lines = scripted.wait_for_lines(3, module="inference")
    assert [line.get("trace_id") for line in lines] == [TRACE, TRACE, None]
