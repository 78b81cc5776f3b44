"""Generate shell completion scripts from the argument parser."""

import argparse
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent

from bert_mlm_client.cli.arguments import FILE


@dataclass(frozen=True, slots=True)
class _Option:
    """An option, or without flags a positional argument.

    Attributes:
        flags: its names.
        summary: its help text.
        value: whether it takes a value.
        choices: its possible values, if they are limited.
        file: whether its value is a file name.
    """

    flags: Sequence[str]
    summary: str
    value: bool
    choices: Sequence[str]
    file: bool


@dataclass(frozen=True, slots=True)
class _Command:
    """Hold a command and its options."""

    name: str
    summary: str
    options: Sequence[_Option]

    @property
    def flags(self) -> list[str]:
        return [flag for option in self.options for flag in option.flags]


def script(parser: ArgumentParser, shell: str) -> str:
    """Return the completion script for a shell."""
    return _SCRIPTS[shell](_Command(parser.prog, "", _options(parser)), list(_commands(parser)))


def _commands(parser: ArgumentParser) -> Iterator[_Command]:
    # argparse has no public way to inspect a parser.
    [commands] = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]  # noqa: SLF001
    for choice in commands._choices_actions:  # noqa: SLF001  likewise
        yield _Command(choice.dest, choice.help or "", _options(commands.choices[choice.dest]))


def _options(parser: ArgumentParser) -> list[_Option]:
    return [
        _Option(
            action.option_strings,
            (action.help or "") % (vars(action) | {"prog": parser.prog}),
            value=action.nargs != 0,
            choices=[] if isinstance(action.choices, dict) else list(map(str, action.choices or ())),
            file=action.metavar == FILE,
        )
        for action in parser._actions  # noqa: SLF001  likewise
    ]


def _bash(program: _Command, commands: Sequence[_Command]) -> str:
    """Return the bash script.

    An option means the same in every command. Without mapfile, which bash 3.2 of macOS lacks.
    """
    options = {option.flags[0]: option for command in commands for option in command.options if option.flags}
    files = [flag for option in options.values() if option.file for flag in option.flags]
    choices = "\n".join(
        f"{'|'.join(option.flags)}) words={_quote(' '.join(option.choices))} ;;"
        for option in options.values()
        if option.choices
    )
    free = [
        flag
        for option in options.values()
        if option.value and not option.choices and not option.file
        for flag in option.flags
    ]
    words = "\n".join(
        f"{command.name}) words={_quote(' '.join([*command.flags, *_positional_choices(command)]))} ;;"
        for command in commands
    )
    first = _quote(" ".join([*(command.name for command in commands), *program.flags]))
    return f"""\
# {program.name} in bash: eval "$({program.name} completion bash)"
_bert_mlm() {{
    local current="$2" option="$3" words=
    if [[ $option == = ]]; then option="${{COMP_WORDS[COMP_CWORD - 2]}}"; fi
    if [[ $current == = ]]; then option="$3" current=; fi
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words={first}
    else
        case "$option" in
            {"|".join(files)})
                local IFS=$'\\n'
                compopt -o filenames 2>/dev/null
                COMPREPLY=($(compgen -f -- "$current"))
                return ;;
{indent(choices, " " * 12)}
            {"|".join(free)}) return ;;
            *)
                case "${{COMP_WORDS[1]}}" in
{indent(words, " " * 20)}
                esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _bert_mlm {program.name}
"""


def _zsh(program: _Command, commands: Sequence[_Command]) -> str:
    names = "\n".join(_quote(f"{command.name}:{command.summary}") for command in commands)
    cases = "\n".join(
        f"{command.name})\n    _arguments -s \\\n{indent(_zsh_arguments(command), ' ' * 8)}\n    ;;"
        for command in commands
    )
    return f"""\
#compdef {program.name}
# {program.name} in zsh: eval "$({program.name} completion zsh)"
_bert_mlm() {{
    local -a commands
    commands=(
{indent(names, " " * 8)}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        _arguments {" ".join(_quote(flag) for flag in program.flags)}
        return
    fi
    local command="${{words[2]}}"
    shift words
    ((CURRENT--))
    case "$command" in
{indent(cases, " " * 8)}
    esac
}}
if [[ "${{funcstack[1]}}" == _bert_mlm ]]; then
    _bert_mlm "$@"
else
    compdef _bert_mlm {program.name}
fi
"""


def _zsh_arguments(command: _Command) -> str:
    lines = []
    for option in command.options:
        # _arguments ends a part at a colon and the description at a bracket.
        summary = option.summary.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
        values = f"({' '.join(option.choices)})" if option.choices else "_files" if option.file else " "
        value = f":value:{values}" if option.value else ""
        lines += [_quote(f"*{flag}[{summary}]{value}") for flag in option.flags] or [_quote(f"*:text:{values}")]
    return " \\\n".join(lines)


def _fish(program: _Command, commands: Sequence[_Command]) -> str:
    lines = [f"# {program.name} in fish: {program.name} completion fish | source", f"complete -c {program.name} -f"]
    for option in program.options:
        lines += _fish_lines(program.name, "__fish_use_subcommand", option)
    for command in commands:
        summary = _quote(command.summary)
        lines.append(f"complete -c {program.name} -n __fish_use_subcommand -a {command.name} -d {summary}")
    for command in commands:
        condition = _quote(f"__fish_seen_subcommand_from {command.name}")
        for option in command.options:
            lines += _fish_lines(program.name, condition, option)
    return "\n".join(lines) + "\n"


def _fish_lines(name: str, condition: str, option: _Option) -> Iterator[str]:
    values = f" -a {_quote(' '.join(option.choices))}" if option.choices else ""
    if option.flags:
        names = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
        value = "" if not option.value else " -r -F" if option.file else f" -x{values}"
        yield f"complete -c {name} -n {condition} {names} -d {_quote(option.summary)}{value}"
    elif values:
        yield f"complete -c {name} -n {condition}{values}"


def _positional_choices(command: _Command) -> list[str]:
    """Return the choices of a command's positional arguments."""
    return [choice for option in command.options if not option.flags for choice in option.choices]


def _quote(text: str) -> str:
    """Quote a word for all three shells."""
    return "'" + text.replace("'", "'\\''") + "'"


_SCRIPTS: Mapping[str, Callable[[_Command, Sequence[_Command]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
