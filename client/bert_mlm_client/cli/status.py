"""Show the model's versions at each address."""

from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from bert_mlm_client.cli import verbs
from bert_mlm_client.cli.document import dumps
from bert_mlm_client.cli.exit_status import ExitStatus
from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.clients import FillMask
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
    if options.table:
        from bert_mlm_client.cli.tables import Tables

        Tables(verbs.STATUS).show("", shown)
    else:
        documents = [{"address": address, **_fields(answer)} for address, answer in answers]
        if options.json:
            print(dumps(documents if len(answers) > 1 else shown, indent=2))
        else:
            print("\n".join(map(dumps, documents)))
    served = all(isinstance(answer, ModelStatus) and answer.available for _, answer in answers)
    return ExitStatus.SUCCEEDED if served else ExitStatus.FAILED


def _ask(options: Namespace, url: str) -> ModelStatus | BertMlmError:
    try:
        with FillMask(url, options.model, options.version, options.vocab, options.timeout) as client:
            return client.model_status()
    except BertMlmError as error:
        return error


def _fields(answer: ModelStatus | BertMlmError) -> dict[str, Any]:
    if isinstance(answer, BertMlmError):
        return {"error": message_of(answer), "error_type": type(answer).__name__}
    return {"model": answer.model, "versions": answer.versions}
