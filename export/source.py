"""Find a checkpoint's files, in a folder or on the Hugging Face hub, and make sure that they are the published ones."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from export.errors import SourceError

WEIGHTS = "model.safetensors"
REQUIRED = (WEIGHTS, "config.json", "vocab.txt")
OPTIONAL = ("tokenizer_config.json",)
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """A revision on the hub and the SHA-256 digests that its files were published with."""

    revision: str
    digests: dict[str, str]


PINNED = {
    "google-bert/bert-base-chinese": Published(
        revision="8f23c25b06e129b6c986331a13d8d025a92cf0ea",
        digests={
            WEIGHTS: "3404a1ffd8da507042e8161013ba2a4fc49858b4e3f8fbf5ce5724f94883aec3",
            "config.json": "88af762cfb15fa9ce183c84dcbfdc9d635196ba635dfe81f265fdd21d67f4c4c",
            "vocab.txt": "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c",
            "tokenizer_config.json": "0f6d13e6f4da6f9e24f22ada6bc3be571123d858d7c0c05a8a7cd55a9c23c2e8",
        },
    )
}
"""Models whose digests are part of this repository: nothing that a mirror or a proxy changes goes unnoticed."""


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A checkpoint's files on this machine.

    Attributes:
        model: what the user asked for, a folder or a name on the hub.
        revision: the hub's commit, or None for a folder.
        folder: where the files are.
        digests: the SHA-256 of each file that the export reads.
    """

    model: str
    revision: str | None
    folder: Path
    digests: dict[str, str] = field(repr=False)


def find_checkpoint(model: str, revision: str | None = None) -> CheckpointFiles:
    """Find, download where needed, and verify the files of a checkpoint.

    Args:
        model: a folder with model.safetensors, config.json and vocab.txt, or a name on the hub ("owner/name").
        revision: a commit, branch or tag on the hub; the pinned commit where this repository knows one, else "main".

    Raises:
        SourceError: nothing by that name, no connection, a file missing, or a digest that differs from the published.
    """
    folder = Path(model)
    if folder.is_dir():
        return CheckpointFiles(model, None, folder, _digests(folder, model))
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        known = next(iter(PINNED))
        msg = f"there is no folder {model}; give a folder with {', '.join(REQUIRED)}, or a hub name such as {known}"
        raise SourceError(msg)
    return _download(model, revision)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _digests(folder: Path, model: str) -> dict[str, str]:
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        hint = ""
        if WEIGHTS in missing and (folder / "pytorch_model.bin").exists():
            hint = (
                ": pytorch_model.bin is a pickle, which can run code when it is read; save it as safetensors first "
                "(BertForMaskedLM.from_pretrained(…).save_pretrained(…))"
            )
        msg = f"{model} has no {' and no '.join(missing)}{hint}"
        raise SourceError(msg)
    return {name: sha256_of(folder / name) for name in (*REQUIRED, *OPTIONAL) if (folder / name).is_file()}


def _download(model: str, revision: str | None) -> CheckpointFiles:
    # Otherwise requests name installed packages, and hf_xet reports every transfer. Read while it is imported.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = os.environ.get("HF_HUB_DISABLE_TELEMETRY") or "1"
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    pinned = PINNED.get(model)
    if pinned is not None and revision in (None, pinned.revision):
        revision, published = pinned.revision, pinned.digests
    else:
        published = {}
    endpoint = os.environ.get("HF_ENDPOINT", "the Hugging Face hub")
    paths: dict[str, Path] = {}
    try:
        if not published:
            info = HfApi().model_info(model, revision=revision, files_metadata=True)
            revision = info.sha
            published = {f.rfilename: f.lfs.sha256 for f in info.siblings or [] if f.lfs is not None}
        for name in (*REQUIRED, *OPTIONAL):
            try:
                paths[name] = Path(hf_hub_download(model, name, revision=revision))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                if name in OPTIONAL:
                    continue
                msg = (
                    f"{model} at {revision} has no {name}; only safetensors checkpoints with vocab.txt can be exported"
                )
                raise SourceError(msg) from None
    except RepositoryNotFoundError:
        msg = f"{endpoint} has no model {model} (or it is private); check the spelling, or give a local folder"
        raise SourceError(msg) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        hint = "check the connection, or give a local folder"
        msg = f"{model} could not be downloaded from {endpoint}: {_first_line(error)}; {hint}"
        raise SourceError(msg) from error
    digests = {name: sha256_of(path) for name, path in paths.items()}
    _compare(model, paths, digests, published)
    return CheckpointFiles(model, revision, paths[WEIGHTS].parent, digests)


def _compare(model: str, paths: dict[str, Path], digests: dict[str, str], published: dict[str, str]) -> None:
    for name, expected in published.items():
        if name in digests and digests[name] != expected:
            msg = (
                f"{paths[name]} is not the {name} that {model} published: SHA-256 {digests[name]} "
                f"instead of {expected}; delete it and try again"
            )
            raise SourceError(msg)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
