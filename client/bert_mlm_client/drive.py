"""Carry out a generator's steps: do what it yields, send it the result or throw it the error, return its result.

One function for each kind of caller: `drive` blocks, `drive_async` awaits. Exchanges and calls are such generators.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

from bert_mlm_client.errors import BertMlmError

Step = TypeVar("Step")
Outcome = TypeVar("Outcome")
Result = TypeVar("Result")


def drive(steps: Generator[Step, Outcome, Result], perform: Callable[[Step], Outcome]) -> Result:
    """Carry out the steps one after the other.

    Args:
        steps: yields each step, and is sent its outcome or has its BertMlmError thrown in.
        perform: does one step. Errors other than BertMlmError end the steps.
    """
    try:
        step = next(steps)
        while True:
            try:
                outcome = perform(step)
            except BertMlmError as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        steps.close()


async def drive_async(steps: Generator[Step, Outcome, Result], perform: Callable[[Step], Awaitable[Outcome]]) -> Result:
    """Carry out the steps one after the other; see `drive`."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = await perform(step)
            except BertMlmError as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        steps.close()
