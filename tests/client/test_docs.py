"""The Python in the client's documents runs and prints the documented output."""

import doctest
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from bert_mlm_client import FillMask, TextClassifier

from tests.support.served import served

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "client" / name for name in ("README.md", "MIGRATION.md", "PRODUCTION.md", "TOKENIZATION.md")]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block with its document, first line, language and content."""

    document: Path
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    texts = {document: document.read_text(encoding="utf-8") for document in DOCUMENTS}
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for document, text in texts.items()
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def addresses(
    demo_version: Path, tiny_classifier_version: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The documents' server addresses and the running server for them.

    The classifier ``genre`` is the tests' small one: the documents show no answer of the real one.
    """
    models = {"bert_mlm": demo_version.parent, "genre": tiny_classifier_version.parent}
    with served(models, tmp_path_factory.mktemp("served")) as server:
        yield {
            "grpc://127.0.0.1:8500": server.grpc,
            "http://127.0.0.1:8501": server.rest,
            "grpc://10.0.0.1:8500": server.grpc,
            "grpc://10.0.0.2:8500": server.grpc.replace("127.0.0.1", "localhost"),
        }


def located(text: str, addresses: dict[str, str]) -> str:
    for documented, real in addresses.items():
        text = text.replace(documented, real)
    return text


def test_the_first_program_prints_its_documented_output(addresses: dict[str, str]) -> None:
    program, printed = blocks()[1:3]
    assert (program.language, printed.language) == ("python", "text")
    assert len(program.text.splitlines()) <= 6
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(located(program.text, addresses), program.document, "exec"), {})
    assert output.getvalue() == printed.text


def test_every_example_prints_its_documented_output(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=OPTIONS)
    names: dict[str, object] = {}
    output = io.StringIO()
    examples = 0
    for block in blocks():
        if block.language == "python" and ">>>" in block.text:
            test = parser.get_doctest(
                located(block.text, addresses), {}, block.document.stem, str(block.document), block.line
            )
            test.globs = names  # the examples form one interactive session
            examples += len(test.examples)
            runner.run(test, out=output.write, clear_globs=False)
    assert not runner.failures, output.getvalue()
    assert examples > 30


def test_every_python_block_is_tested() -> None:
    python = [block for block in blocks() if block.language == "python"]
    assert [(block.document, block.line) for block in python[1:] if ">>>" not in block.text] == []


@pytest.mark.parametrize("kind", [FillMask, TextClassifier])
def test_every_method_has_an_example(kind: type) -> None:
    shown = "\n".join(block.text for block in blocks() if block.language == "python")
    public = {name for name in dir(kind) if not name.startswith("_")}
    assert {"features", "model_status", "tokenizer"} <= public
    assert {name for name in public if f".{name}(" not in shown} <= {"close"}  # a with statement closes
