"""Generate shell completion scripts from the argument parser."""

from argparse import ArgumentParser

import shtab


def script(parser: ArgumentParser, shell: str) -> str:
    """Return the completion script for a shell."""
    written = shtab.complete(parser, shell)
    return f"{written}\n{_BASH_VALUES}" if shell == "bash" else written


# bash splits --format=tsv into three words, and shtab's function expects --format and tsv.
_BASH_VALUES = """\
_bert_mlm() {
    local word words=() current=$COMP_CWORD
    for word in "${COMP_WORDS[@]:0:COMP_CWORD}"; do
        if [[ $word == = ]]; then ((current--)); else words+=("$word"); fi
    done
    words+=("${COMP_WORDS[COMP_CWORD]#=}")
    COMP_WORDS=("${words[@]}") COMP_CWORD=$current
    _shtab_bert_mlm "$@"
}
complete -o bashdefault -F _bert_mlm bert-mlm
"""
