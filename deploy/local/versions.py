"""Choose or export the version to serve."""

import subprocess
import sys
from pathlib import Path

from export import CheckpointFiles, VersionError, find_checkpoint, read_manifest


def ensure_version(model: str, servable: Path, revision: str | None = None) -> Path:
    """Return the newest version, exporting the checkpoint if needed.

    The newest version is reused if it has this checkpoint. A server loads the newest version, so another checkpoint
    gets the next number, as in production.

    Args:
        model: a checkpoint's folder, or a name on the hub.
        servable: the folder of the versions.
        revision: a commit, branch or tag on the hub.

    Raises:
        SourceError: the checkpoint cannot be found or trusted.
        VersionError: the newest version folder is incomplete, or the export failed (with its own message).
    """
    files = find_checkpoint(model, revision)
    newest = newest_version(servable)
    if newest and _holds(newest, files):
        print(f"Using {newest}, exported from {model} before.", flush=True)
        return newest
    version = servable / str(int(newest.name) + 1 if newest else 1)
    _export(files, version)
    return version


def newest_version(servable: Path) -> Path | None:
    """Return the folder of the highest version, or None."""
    folders = servable.iterdir() if servable.is_dir() else ()
    numbers = [int(folder.name) for folder in folders if folder.name.isascii() and folder.name.isdigit()]
    return servable / str(max(numbers)) if numbers else None


def _holds(version: Path, files: CheckpointFiles) -> bool:
    return read_manifest(version).made_from(files.digests)


def _export(files: CheckpointFiles, version: Path) -> None:
    """Run the export in a child process.

    Its exit frees TensorFlow's memory.
    """
    print(f"Exporting {files.model} as {version}.", flush=True)
    name, output = version.parent.name, version.parent.parent
    command = [sys.executable, "-m", "export", "--model", files.model, "--version", version.name]
    if files.revision is not None:  # a branch may have moved
        command += ["--revision", files.revision]
    done = subprocess.run([*command, "--name", name, "--output", str(output)], check=False)  # noqa: S603 - a fixed command
    if done.returncode:
        msg = f"{version} was not exported"
        raise VersionError(msg)
