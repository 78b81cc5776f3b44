"""Show the model's versions at each address."""

from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from bert_mlm_client.cli.document import dumps
from bert_mlm_client.cli.exit_status import ExitStatus
from bert_mlm_client.cli.questions import open_client
from bert_mlm_client.errors import BertMlmError
from bert_mlm_client.results import ModelStatus


def run(options: Namespace) -> ExitStatus:
    """Show the versions.

    Fails unless every address serves one.

    Raises:
        BertMlmError: there is a single address, and it did not answer.
    """
    pool = ThreadPoolExecutor(len(options.url))  # never joined, so that Ctrl-C ends at once
    asked = [pool.submit(copy_context().run, _ask, options, url) for url in options.url]
    answers = list(zip(options.url, [each.result() for each in asked], strict=True))
    shown: Any = answers if len(answers) > 1 else answers[0][1]
    if isinstance(shown, BertMlmError):
        raise shown
    if options.json:
        several = [{"address": address, **_fields(answer)} for address, answer in answers]
        print(dumps(several if len(answers) > 1 else shown, indent=2))
    else:
        from bert_mlm_client.cli.tables import Tables

        Tables("status").show("", shown)
    served = all(isinstance(answer, ModelStatus) and answer.available for _, answer in answers)
    return ExitStatus.SUCCEEDED if served else ExitStatus.FAILED


def _ask(options: Namespace, url: str) -> ModelStatus | BertMlmError:
    try:
        with open_client(Namespace(**{**vars(options), "url": [url]})) as client:
            return client.model_status()
    except BertMlmError as error:
        return error


def _fields(answer: ModelStatus | BertMlmError) -> dict[str, Any]:
    if isinstance(answer, BertMlmError):
        return {"error": str(answer), "error_type": type(answer).__name__}
    return {"model": answer.model, "versions": answer.versions}
