"""Start an Elasticsearch with security for tests.

It listens on a port of 127.0.0.1.
"""

import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_IXGRP, S_IXOTH, S_IXUSR

import psutil

from deploy.elasticsearch.accounts import SUPERUSER
from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import JsonApi, Login
from loadtest.log_pipeline.tools.versions import ELASTICSEARCH, SENTENCE
from loadtest.processes import StartError, free_port

_OLDEST_JAVA = 17
_START_S = 180.0
_STOP_S = 60.0
_POLL_S = 0.2
_SETTINGS = {
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "xpack.security.enabled": "true",
    "xpack.security.autoconfiguration.enabled": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",  # however full the developer's disk is
    "node.store.allow_mmap": "false",  # vm.max_map_count is low by default
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: its address.
        password: the password of its user ``elastic``.
        pid: its process.
        work: its folder, which ``stop`` deletes.
    """

    url: str
    password: str
    pid: int
    work: str

    @property
    def login(self) -> Login:
        """The superuser."""
        return Login(SUPERUSER, self.password, "ELASTIC_PASSWORD")

    def stop(self) -> None:
        """End the server and delete its data."""
        try:
            process = psutil.Process(self.pid)
            process.terminate()
            process.wait(_STOP_S)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            process.kill()
        shutil.rmtree(self.work, ignore_errors=True)


def jdk() -> Path:
    """Return the folder of the JDK.

    It is JAVA_HOME, or the folder of the javac of PATH.

    Raises:
        StartError: Java was not found or is too old.
    """
    given = os.environ.get("JAVA_HOME")
    compiler = shutil.which("javac", path=f"{given}/bin" if given else None)
    home = Path(compiler).resolve().parents[1] if compiler else None
    release = home / "release" if home else None
    found = re.search(r'JAVA_VERSION="(\d+)', release.read_text("utf-8")) if release and release.is_file() else None
    if home is None or (found and int(found[1]) < _OLDEST_JAVA):
        msg = f"no JDK {_OLDEST_JAVA} or newer was found; install one, or set JAVA_HOME to it"
        raise StartError(msg)
    return home


@contextmanager
def started() -> Iterator[Server]:
    """Run a server during the block."""
    server = start()
    try:
        yield server
    finally:
        server.stop()


def start(java_options: str = "-Xms1g -Xmx1g") -> Server:
    """Start a server and wait for its superuser's login.

    Raises:
        StartError: `make log-tools` was not run, its folder cannot be entered, or the server does not start.
    """
    if not ELASTICSEARCH.is_dir():
        msg = f"{ELASTICSEARCH} does not exist; {SENTENCE}"
        raise StartError(msg)
    account = _account()
    if account:
        check_reachable(ELASTICSEARCH, account)
    # Not in the caller's folder, which the other user might not read.
    work = Path(tempfile.mkdtemp(prefix="elasticsearch-"))
    shutil.copytree(ELASTICSEARCH / "config", work / "config")
    (work / "tmp").mkdir()
    if account:
        for path in (work, *work.rglob("*")):
            shutil.chown(path, account.pw_uid, account.pw_gid)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "ES_JAVA_HOME": str(jdk()),
        "ES_JAVA_OPTS": java_options,
        "ES_PATH_CONF": str(work / "config"),
        "ES_TMPDIR": str(work / "tmp"),
    }
    password, port = secrets.token_urlsafe(18), free_port()
    settings = _SETTINGS | {"http.port": str(port), "path.data": f"{work}/data", "path.logs": f"{work}/logs"}
    arguments = [f"-E{name}={value}" for name, value in settings.items()]

    def run(program: str, *arguments: str, given: str | None = None) -> None:
        # The server inherits the output, so a pipe would never end.
        with (work / "output.log").open("wb") as output:
            result = subprocess.run(  # noqa: S603 - our own words
                [ELASTICSEARCH / "bin" / program, *arguments],
                cwd=work,
                env=environment,
                user=account.pw_uid if account else None,
                # Else root's groups stay, and `chmod o+x` would not admit the server to a folder of root's.
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                input=(given or "").encode(),
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops the server
                timeout=_START_S,
                check=False,
            )
        if result.returncode:
            said = (work / "output.log").read_text("utf-8", "replace")
            reason = re.search(r"(?im)^.*(?:exception|error|fatal).*$", said)
            msg = f"{program} failed: {reason[0] if reason else said}"
            raise StartError(msg)

    try:
        run("elasticsearch-keystore", "add", "--stdin", "--force", "bootstrap.password", given=password)
        run("elasticsearch", "--daemonize", "--pidfile", str(work / "pid"), *arguments)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    server = Server(f"http://127.0.0.1:{port}", password, int((work / "pid").read_text()), str(work))
    try:
        with JsonApi(server.url, server.login) as api:
            _wait(api)
    except BaseException:
        server.stop()
        raise
    return server


def _wait(api: JsonApi) -> None:
    """Wait until the superuser can log in.

    In the first seconds the server answers 401.
    """
    deadline = time.monotonic() + _START_S
    while True:
        try:
            api.ask("GET", "/")
        except SetupError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _account() -> pwd.struct_passwd | None:
    """Return the account to run the server as.

    None is the current user. Root is replaced, since Elasticsearch does not run as root.
    """
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def check_reachable(folder: Path, account: pwd.struct_passwd) -> None:
    """Check that an account may enter a folder.

    Only mode bits are read, not access control lists.

    Raises:
        StartError: the account may not enter the folder or one above it.
    """
    for one in (*reversed(folder.parents), folder):
        found = one.stat()
        is_owner, is_in_group = found.st_uid == account.pw_uid, found.st_gid == account.pw_gid
        needed, word = (S_IXUSR, "u") if is_owner else (S_IXGRP, "g") if is_in_group else (S_IXOTH, "o")
        if not found.st_mode & needed:
            said = f"the user {account.pw_name}, as whom Elasticsearch runs, may not enter {one}"
            msg = f"{said}; run `chmod {word}+x {one}`, or clone elsewhere"
            raise StartError(msg)
