"""Every request carries the caller's trace context."""

import asyncio

import pytest
from bert_mlm_client import AsyncFillMask, FillMask, InputError, trace_context
from bert_mlm_client.exchanges import MAX_ROWS

from tests.client.scripted import ScriptedModel

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "rojo=00f067aa0ba902b7,congo@a=t61rcWkgMzE"


def sent(model: ScriptedModel) -> list[tuple[str | None, str | None]]:
    return [(asked.headers.get("traceparent"), asked.headers.get("tracestate")) for asked in model.asked]


def test_every_request_of_a_block_carries_its_trace_and_no_other_does(url: str, model: ScriptedModel) -> None:
    texts = ["今天[MASK]"] * (MAX_ROWS * 2 + 1)  # three requests, from threads
    with FillMask(url) as client:
        with trace_context(PARENT, STATE):
            client.fill(texts)
        client.fill(texts)
    assert sent(model) == [(PARENT, STATE)] * 4 + [(None, None)] * 3


async def test_tasks_side_by_side_have_traces_of_their_own(url: str, model: ScriptedModel) -> None:
    parents = [PARENT.replace("b7ad", f"{number:04x}") for number in range(1, 9)]

    async def ask(client: AsyncFillMask, parent: str, text: str) -> None:
        with trace_context(parent):
            await client.fill([text] * (MAX_ROWS + 1))

    async with AsyncFillMask(url) as client:
        await client.tokenizer()
        model.asked.clear()
        async with asyncio.TaskGroup() as group:
            for number, parent in enumerate(parents, 2):
                group.create_task(ask(client, parent, "天" * number + "[MASK]"))
    seen = sorted((asked.headers["traceparent"], asked.inputs["input_ids"].shape[1]) for asked in model.asked)
    assert seen == sorted((parent, number + 3) for number, parent in enumerate(parents, 2) for _ in range(2))


def test_a_block_inside_another_ends_with_the_outer_trace(grpc_url: str, model: ScriptedModel) -> None:
    inner = PARENT.replace("-01", "-00")
    with FillMask(grpc_url) as client:
        client.tokenizer()
        with trace_context(PARENT):
            with trace_context(inner):
                client.fill("[MASK]")
            client.fill("[MASK]")
    assert [parent for parent, _ in sent(model)[1:]] == [inner, PARENT]


@pytest.mark.parametrize(
    "parent",
    [
        PARENT,
        PARENT.replace("-01", "-ff"),
        "cc" + PARENT.removeprefix("00"),
        "01" + PARENT.removeprefix("00") + "-what-the-future-adds",
    ],
)
def test_a_valid_traceparent_is_forwarded_unchanged(grpc_url: str, model: ScriptedModel, parent: str) -> None:
    with FillMask(grpc_url) as client, trace_context(parent):
        client.tokenizer()
    assert sent(model) == [(parent, None)]


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\r\nX-Evil: 1",
        PARENT + "\n",
        PARENT.replace("00-", "ff-", 1),
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        PARENT.replace("-", "_"),
        PARENT[:-1],
    ],
)
def test_a_malformed_traceparent_is_rejected(parent: str) -> None:
    with pytest.raises(InputError, match="is not a traceparent"), trace_context(parent):
        pytest.fail("the block must not be entered")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("rojo=1", "rojo=1"),
        ("rojo=1 , congo=2", "rojo=1,congo=2"),
        ("rojo= a b", "rojo= a b"),
        (",rojo=1,,", "rojo=1"),
        ("", None),
        (" , ", None),
        (",".join(f"k{number}=v" for number in range(32)), ",".join(f"k{number}=v" for number in range(32))),
    ],
)
def test_empty_tracestate_members_are_dropped(
    grpc_url: str, model: ScriptedModel, state: str, expected: str | None
) -> None:
    with FillMask(grpc_url) as client, trace_context(PARENT, state):
        client.tokenizer()
    assert sent(model) == [(PARENT, expected)]


@pytest.mark.parametrize(
    "state",
    [
        "rojo",
        "=1",
        "rojo=",
        "Rojo=1",
        "rojo=a=b",
        "rojo=a\r\nX-Evil: 1",
        "rojo=\u4e2d",
        "k" * 257 + "=1",
        "rojo=" + "v" * 257,
        ",".join(f"k{number}=v" for number in range(33)),
    ],
)
def test_a_malformed_tracestate_is_rejected(state: str) -> None:
    with pytest.raises(InputError, match="is not a tracestate"), trace_context(PARENT, state):
        pytest.fail("the block must not be entered")
