"""Count failed lines by reason."""

from dataclasses import dataclass

from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.errors import TRUNCATE, BertMlmError

_LONGEST = 100
"""Maximum length of the quoted reason, in characters."""


@dataclass(slots=True)
class Failures:
    """Failed lines of a run.

    Attributes:
        earlier: the number of failed lines of the runs that this one continues.
        too_long: the number of texts that are too long for the model.
        others: the number of other failed lines.
        first: the first of the others, and why it failed.
    """

    earlier: int = 0
    too_long: int = 0
    others: int = 0
    first: str = ""

    @property
    def count(self) -> int:
        """Return the number of failed lines."""
        return self.earlier + self.too_long + self.others

    def add(self, number: int, error: BertMlmError) -> None:
        """Count a failed line."""
        if error.option == TRUNCATE:
            self.too_long += 1
            return
        if not self.others:
            reason = message_of(error).partition(";")[0]
            self.first = f"line {number}: {reason if len(reason) <= _LONGEST else f'{reason[:_LONGEST]}…'}"
        self.others += 1

    def __str__(self) -> str:
        """Return the number of failed lines and the reasons."""
        reasons = [f"{self.too_long:,} too long: --truncate"] if self.too_long else []
        if self.others == 1:
            reasons.append(self.first)
        elif self.others:
            reasons.append(f"{self.others:,} {'others' if self.too_long else 'lines'}, such as {self.first}")
        return f"{self.count:,} failed" + (f" ({'; '.join(reasons)})" if reasons else "")
