"""Carry out the steps of a generator.

A generator yields each step, is sent its outcome or has its error thrown in, and returns the result. Exchanges and
calls are such generators. `drive` is for blocking callers, `drive_async` for asyncio.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

from bert_mlm_client.errors import BertMlmError

Step = TypeVar("Step")
Outcome = TypeVar("Outcome")
Result = TypeVar("Result")


def drive(steps: Generator[Step, Outcome, Result], perform: Callable[[Step], Outcome]) -> Result:
    """Carry out the steps in order.

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
    """Carry out the steps in order; see `drive`."""
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
