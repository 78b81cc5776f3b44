"""Parts of ``bert-mlm`` for other commands on files."""

from bert_mlm_client.bulk import ask_all
from bert_mlm_client.cli import verbs
from bert_mlm_client.cli.csv_records import records
from bert_mlm_client.cli.document import dumps
from bert_mlm_client.cli.exit_status import ExitStatus
from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.cli.lines import parse_object
from bert_mlm_client.cli.parser import build_parser
from bert_mlm_client.cli.progress import Bar
from bert_mlm_client.cli.questions import Question, question

__all__ = [
    "Bar",
    "ExitStatus",
    "Question",
    "ask_all",
    "build_parser",
    "dumps",
    "message_of",
    "parse_object",
    "question",
    "records",
    "verbs",
]
