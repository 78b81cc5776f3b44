"""Shut down gracefully on Ctrl-C."""

import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class Interrupt:
    """End the input on the first Ctrl-C.

    Lines that were already read are still answered. The second Ctrl-C ends the process.

    Attributes:
        pressed: whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._reading = False

    def until(self, source: Iterator[T]) -> Iterator[T]:
        """Yield from a source until Ctrl-C, even during a read."""
        while not self.pressed:
            try:
                self._reading = True
                item = next(source)
            except (KeyboardInterrupt, StopIteration):
                return
            finally:
                self._reading = False
            yield item

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        print("bert-mlm: finishing the lines already read; press Ctrl-C again to quit", file=sys.stderr)
        if self._reading:
            raise KeyboardInterrupt
