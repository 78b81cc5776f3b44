"""Find and verify the files of a checkpoint."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from export.errors import SourceError
from export.forms import CONFIGS, TOKENIZER_FILES, VOCABULARIES, WeightForm, choose_config, choose_form, shard_names
from export.listing import Listing, list_folder

_CHUNK_BYTES = 1 << 20
_EXAMPLE = "google-bert/bert-base-chinese"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_DATA_SUFFIX = ".data-"


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """The local files of a checkpoint.

    Attributes:
        model: the folder or hub name given by the user.
        revision: the hub's commit, or None for a folder.
        folder: the folder with the files.
        form: the form of the weights.
        digests: the SHA-256 of each file that the export reads.
    """

    model: str
    revision: str | None
    folder: Path
    form: WeightForm
    digests: dict[str, str] = field(repr=False)


def find_checkpoint(model: str, revision: str | None = None) -> CheckpointFiles:
    """Find, download and verify the files of a checkpoint.

    Only files that are not in the local cache are downloaded.

    Args:
        model: a folder with a checkpoint in one of the forms of ``export.forms``, or a name on the hub ("owner/name").
        revision: a commit, branch or tag on the hub; by default the pinned commit (``export.hub``), else "main".

    Raises:
        SourceError: there is no such checkpoint, no connection, a file is missing, or a digest is wrong.
        CheckpointError: the index of a sharded checkpoint is damaged.
    """
    listing = _list_files(model, revision)
    form = _choose_form(listing)
    digests: dict[str, str] = {}
    # The weights come last, so that their presence in the hub's cache shows a complete download.
    for name in (*_small_files(listing.published, model), form.value):
        path, digests[name] = _fetch(listing, name)
    for name in _other_weights(form, path, listing.published):
        _, digests[name] = _fetch(listing, name)
    return CheckpointFiles(model, listing.revision, path.parent, form, digests)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _list_files(model: str, revision: str | None) -> Listing:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return list_folder(model, folder)
    if folder.is_file():
        msg = f"{model} is a file; give its folder, {folder.parent}"
        raise SourceError(msg)
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        msg = f"there is no folder {model}; give a checkpoint's folder, or a name on the hub such as {_EXAMPLE}"
        raise SourceError(msg)
    from export.hub import list_model

    return list_model(model, revision)


def _choose_form(listing: Listing) -> WeightForm:
    try:
        return choose_form(listing.published, listing.model)
    except SourceError as error:
        if listing.revision is None and (below := _checkpoint_below(Path(listing.model).expanduser())):
            msg = f"{error}; {below} has such weights, give that"
            raise SourceError(msg) from None
        raise


def _checkpoint_below(folder: Path) -> Path | None:
    """Return a subfolder with weights, if any.

    Examples are a trainer's checkpoint-500 and the snapshots/COMMIT of the hub's cache.
    """
    patterns = [f"{depth}{form.value}" for depth in ("*/", "*/*/") for form in WeightForm]
    return next((path.parent for pattern in patterns for path in folder.glob(pattern)), None)


def _small_files(names: Collection[str], model: str) -> Iterator[str]:
    """Yield the configuration and tokenizer files."""
    missing = [" or ".join(files) for files in (CONFIGS, VOCABULARIES) if not set(files) & set(names)]
    if missing:
        msg = f"{model} has no {' and no '.join(missing)}; copy what was saved or published with the weights there"
        raise SourceError(msg)
    yield choose_config(names, model)
    for name in (*VOCABULARIES, *TOKENIZER_FILES):
        if name in names:
            yield name


def _other_weights(form: WeightForm, path: Path, names: Collection[str]) -> list[str]:
    """Return the weight files other than the main file.

    Args:
        form: the form of the weights.
        path: the main file.
        names: all files of the checkpoint.
    """
    if form is WeightForm.SHARDED_SAFETENSORS:
        shards = shard_names(path)
        if missing := [name for name in shards if name not in names]:
            msg = f"{path} names the shard {missing[0]}, which is missing; download it again"
            raise SourceError(msg)
        return shards
    if form is WeightForm.TENSORFLOW_1:
        data = path.stem + _DATA_SUFFIX
        parts = sorted(name for name in names if name.startswith(data))
        if not parts:
            msg = f"{path} has no data file {data}00000-of-00001; download all files of the checkpoint"
            raise SourceError(msg)
        return parts
    return []


def _fetch(listing: Listing, name: str) -> tuple[Path, str]:
    """Return the path and SHA-256 of a verified file."""
    path = listing.fetch(name)
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            msg = f"{path} is a Git LFS pointer, not the file itself; run git lfs pull in {path.parent}"
            raise SourceError(msg)
    digest = sha256_of(path)
    expected = listing.published[name]
    if expected is None:
        return path, digest
    kind, actual = ("SHA-256", digest) if len(expected) == len(digest) else ("Git's SHA-1", _git_id(path))
    if actual != expected:
        msg = (
            f"{path} is not the file that {listing.model} published: {kind} {actual} instead of {expected}; "
            f"delete {path.resolve()} and try again"
        )
        raise SourceError(msg)
    return path, digest


def _git_id(path: Path) -> str:
    """Return Git's blob id of a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
