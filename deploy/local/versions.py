"""Choose the version to serve: the newest one if it was made from this checkpoint, else a new one."""

import subprocess
import sys
from pathlib import Path

from export import CheckpointFiles, VersionError, find_checkpoint, read_manifest


def ensure_version(model: str, servable: Path, revision: str | None = None) -> Path:
    """Return the version folder that holds a model, exported now unless the newest version holds it.

    A server takes the newest version, so another checkpoint becomes the next number, as it would in production.

    Args:
        model: a checkpoint's folder, or a name on the hub.
        servable: the folder of the versions.
        revision: a commit, branch or tag on the hub.

    Raises:
        SourceError: the checkpoint cannot be found or trusted.
        VersionError: the newest version folder is not complete, or the export failed (it has said why).
    """
    files = find_checkpoint(model, revision)
    newest = max(_numbers(servable), default=0)
    if newest and _holds(servable / str(newest), files):
        print(f"Using {servable / str(newest)}, exported from {model} before.", flush=True)
        return servable / str(newest)
    version = servable / str(newest + 1)
    _export(files, version)
    return version


def _numbers(servable: Path) -> list[int]:
    folders = servable.iterdir() if servable.is_dir() else ()
    return [int(folder.name) for folder in folders if folder.name.isascii() and folder.name.isdigit()]


def _holds(version: Path, files: CheckpointFiles) -> bool:
    return read_manifest(version).made_from(files.digests)


def _export(files: CheckpointFiles, version: Path) -> None:
    """Run the export as a process of its own: what TensorFlow holds in memory ends with it."""
    print(f"Exporting {files.model} as {version}.", flush=True)
    name, output = version.parent.name, version.parent.parent
    command = [sys.executable, "-m", "export", "--model", files.model, "--version", version.name]
    if files.revision is not None:  # a branch could have moved on
        command += ["--revision", files.revision]
    done = subprocess.run([*command, "--name", name, "--output", str(output)], check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"{version} was not exported"
        raise VersionError(msg)
