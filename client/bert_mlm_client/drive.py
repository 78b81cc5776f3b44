"""Run a generator of I/O steps.

The generator yields each step, receives its outcome or error, and returns the result. Exchanges and calls are such
generators. `drive` is for blocking callers, `drive_async` for asyncio.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

from bert_mlm_client.errors import BertMlmError

Step = TypeVar("Step")
Outcome = TypeVar("Outcome")
Result = TypeVar("Result")


def drive(steps: Generator[Step, Outcome, Result], perform: Callable[[Step], Outcome]) -> Result:
    """Run the steps in order and return the result.

    Args:
        steps: yields each step, and receives its outcome or BertMlmError.
        perform: runs one step. Errors other than BertMlmError end the generator.
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
    """Run the steps in order (see `drive`)."""
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
