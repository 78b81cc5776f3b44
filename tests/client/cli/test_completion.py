"""Completion in real shells."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from bert_mlm_client.cli.parser import SHELLS
from bert_mlm_client.cli.verbs import COMMANDS

from tests.client.cli.process import Run


@pytest.fixture(scope="module")
def scripts(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Each shell's script in a file."""
    folder = tmp_path_factory.mktemp("scripts")
    paths = {shell: folder / shell for shell in SHELLS}
    for shell, path in paths.items():
        done = run("completion", shell)
        assert (done.returncode, done.stderr) == (0, "")
        path.write_text(done.stdout, encoding="utf-8")
    return paths


def shell_output(*command: object, given: str | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)), input=given, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# As readline: COMP_WORDS is the line split at blanks and at COMP_WORDBREAKS, of which only = matters here.
_BASH = r"""
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
complete -p bert-mlm | grep -qw _bert_mlm || exit 1
_bert_mlm bert-mlm "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["s"], {"score", "similarity", "similar", "status"}),
        (["--"], {"--help", "--version"}),
        (["fill", "--t"], {"--top-k", "--targets", "--truncate", "--table", "--timeout"}),
        (["fill", "--format", ""], {"plain", "jsonl", "tsv", "csv"}),
        (["fill", "--format", "=", "js"], {"jsonl"}),
        (["fill", "--format", "="], {"plain", "jsonl", "tsv", "csv"}),
        (["explain", "一[MASK]", "--method", "o"], {"occlusion"}),
        (["explain", "--t"], {"--target", "--truncate", "--table", "--timeout"}),
        (["explain", "--target", ""], {""}),
        (["classify", "--t"], {"--top-k", "--text-pair", "--truncate", "--table", "--timeout"}),
        (["fill", "一[MASK]", "--t"], {"--top-k", "--targets", "--truncate", "--table", "--timeout"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["completion", "--"], {"--help"}),
        (["fill", "--top-k", ""], {""}),
        (["status", "--ou"], {""}),
    ],
)
def test_bash_completes_commands_options_and_values(
    scripts: Mapping[str, Path], words: list[str], expected: set[str]
) -> None:
    completed = shell_output("bash", "-c", _BASH, "bash", scripts["bash"], "bert-mlm", *words)
    assert set(completed.removesuffix("\n").split("\n")) == expected


def test_bash_completes_files_with_their_spaces(scripts: Mapping[str, Path], tmp_path: Path) -> None:
    (tmp_path / "my texts.jsonl").touch()
    arguments = ["bert-mlm", "fill", "--input", f"{tmp_path}/my"]
    completed = shell_output("bash", "-c", _BASH, "bash", scripts["bash"], *arguments)
    assert completed == f"{tmp_path}/my texts.jsonl\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_reads_the_script_without_complaint(scripts: Mapping[str, Path], shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed; the words in its script are compared below")
    shell_output(shell, "-n", scripts[shell])


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed; its script is compared below")
def test_zsh_defines_the_completion(scripts: Mapping[str, Path]) -> None:
    program = f'autoload -U compinit; compinit -u -D; eval "$(<{scripts["zsh"]})"; print $_comps[bert-mlm]'
    assert shell_output("zsh", "-f", "-c", program) == "_shtab_bert_mlm\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed; its script is compared below")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bert-mlm s", {"score", "similarity", "similar", "status"}),
        ("bert-mlm fill --tr", {"--truncate"}),
        ("bert-mlm explain --method ", {"occlusion", "attention"}),
        ("bert-mlm fill --format=j", {"--format=jsonl"}),
        ("bert-mlm completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_fish_completes(scripts: Mapping[str, Path], line: str, expected: set[str]) -> None:
    completed = shell_output("fish", "--no-config", "-c", f"source {scripts['fish']}; complete -C '{line}'")
    assert {each.partition("\t")[0] for each in completed.splitlines()} == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_of_the_help_is_in_the_script(
    run: Run, scripts: Mapping[str, Path], shell: str
) -> None:
    script = scripts[shell].read_text(encoding="utf-8")
    for command in COMMANDS:
        described = run(command, "--help").stdout
        flags = {word.strip("[],") for word in described.split() if word.strip("[],").startswith("--")}
        assert flags >= {"--help"}
        names = {flag if shell != "fish" else f"-l {flag[2:]} " for flag in flags}
        lines = script.splitlines()
        about = "\n".join(line for line in lines if command in line) if shell == "fish" else script
        assert {name for name in names if name not in about} == set(), command
