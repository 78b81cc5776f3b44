"""Print the rendered objects of every variant as a table.

python -m loadtest.kubernetes.objects
"""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.variants import rendered, table, title_of, variants
from loadtest.processes import StartError

_KIND = re.compile(r"^kind: (\S+)$", re.MULTILINE)
_NAME = re.compile(r"^metadata:\n(?:  .*\n)*?  name: (\S+)$", re.MULTILINE)


def main() -> int:
    """Print the rendered objects of every variant as a table."""
    kubectl = Kubectl(Path(os.devnull), "bert-mlm")
    try:
        print(table({title_of(variant): names(rendered(kubectl, variant)) for variant in variants()}))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def names(documents: Iterable[str]) -> list[str]:
    """Return the kinds and names of rendered documents."""
    found = []
    for document in documents:
        kind, name = _KIND.search(document), _NAME.search(document)
        if kind and name:
            found.append(f"{kind[1]} {name[1]}")
    return found


if __name__ == "__main__":
    sys.exit(main())
