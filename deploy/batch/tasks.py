"""Define the tasks, which are commands of bert-mlm."""

from argparse import Namespace
from dataclasses import asdict, dataclass
from typing import Any

from bert_mlm_client.commands import Question, build_parser, question, verbs

TASKS = (verbs.FILL, verbs.CLASSIFY, verbs.SIMILARITY, verbs.FEATURES, verbs.PROOFREAD)


def _defaults(name: str) -> dict[str, Any]:
    """Return the default options of a command of bert-mlm."""
    # The name of the model, which classify requires, is for servers.
    return vars(build_parser().parse_args([name, "--model", "in-process"]))


THRESHOLD: float = _defaults(verbs.PROOFREAD)["threshold"]


@dataclass(frozen=True, slots=True)
class Task:
    """Task with the options that change its answers.

    Attributes:
        name: one of TASKS.
        top_k: maximum number of answers; None for all labels of a classifier.
        threshold: maximum probability of a suspect, for proofread.
        spacing: distance of the tokens that are masked together, for proofread; None for one at a time.
        truncate: whether a text that is too long is truncated.
    """

    name: str
    top_k: int | None = None
    threshold: float = THRESHOLD
    spacing: int | None = None
    truncate: bool = False

    def question(self) -> Question[Any, Any]:
        """Return the questions of the task, as bert-mlm asks them."""
        return question(Namespace(**_defaults(self.name) | asdict(self)))


def default_top_k(name: str) -> int | None:
    """Return the default number of answers.

    None if the task has no such option.
    """
    top_k: int | None = _defaults(name).get("top_k")
    return top_k
