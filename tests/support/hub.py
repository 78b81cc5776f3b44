"""A server that speaks as much of the Hugging Face hub's protocol as a download needs.

    with Hub() as hub:
        hub.add("hfl/rbt3", {"config.json": b"{}", "tf_model.h5": b"…"})

Small files are answered where they are; large ones redirect to another host, as on the hub to its storage.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

_LARGE = {".safetensors", ".h5", ".bin", ".msgpack"}


@dataclass
class Repository:
    """A model.

    Attributes:
        files: what is published, by name.
        commit: the commit that has them.
        branches: the names of that commit; pull requests are ``refs/pr/1``.
        served: what a damaged mirror serves in place of a file.
        cut: how many bytes of a file the next answer has, before the connection breaks.
        status: answer everything with it: 401 of a private model, 503.
        gated: answer as for a model whose terms were not accepted.
        conversions: the numbers of the pull requests that Hugging Face's converter has opened.
    """

    files: dict[str, bytes]
    commit: str = ""
    branches: set[str] = field(default_factory=lambda: {"main"})
    served: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    status: int = 200
    gated: bool = False
    conversions: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.commit:
            self.commit = sha1(repr(sorted(self.files)).encode()).hexdigest()

    def describe(self, name: str) -> dict[str, object]:
        """Return what the list of files says of one."""
        content = self.files[name]
        entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_id(content)}
        if is_large(name):
            entry["blobId"] = git_id(f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\n".encode())
            entry["lfs"] = {"sha256": sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return entry


class Hub:
    """The server, on a free port of this machine.

    Attributes:
        url: what HF_ENDPOINT must be.
        repositories: the models by name; the last added of a name has its branches.
        requests: method, path and, where a part was asked for, its range.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, list[Repository]] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def add(self, model: str, files: Mapping[str, bytes], **options: object) -> Repository:
        """Publish a model, or another commit of one."""
        repository = Repository(dict(files), **options)  # type: ignore[arg-type]
        self.repositories.setdefault(model, []).append(repository)
        return repository

    def find(self, model: str, revision: str) -> Repository | None:
        """Return the commit of a model that a revision names."""
        for repository in reversed(self.repositories[model]):
            if revision == repository.commit or revision in repository.branches:
                return repository
        return None

    def downloads(self) -> list[str]:
        """Return the names of the files that were downloaded, in order."""
        paths = [path for method, path, _ in self.requests if method == "GET" and not path.startswith("/api/")]
        return [path.rsplit("/", 1)[1] for path in paths]

    @contextmanager
    def run(self) -> Iterator["Hub"]:
        """Answer until the block ends."""
        thread = Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.requests.append((self.command, self.path, self.headers["Range"]))
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        is_api = parts[:2] == ["api", "models"]
        model, rest = "/".join(parts[2:4] if is_api else parts[:2]), parts[4:] if is_api else parts[2:]
        if model not in self.hub.repositories:
            self._error(401, "RepoNotFound", "Repository not found")
        elif rest[0] == "discussions":
            self._discussions(model, parse_qs(url.query))
        elif (repository := self.hub.find(model, rest[1])) is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {rest[1]}")
        elif repository.status == 401:
            self._error(401, "RepoNotFound", "Repository not found")
        elif repository.status != 200:
            self._error(repository.status, "", "")
        elif repository.gated:
            self._error(403, "GatedRepo", "Access to this model is restricted")
        elif is_api:
            siblings = [repository.describe(name) for name in repository.files]
            self._send(200, json.dumps({"id": model, "sha": repository.commit, "siblings": siblings}).encode(), {})
        else:
            self._file(repository, rest[0], rest[-1])

    def _discussions(self, model: str, query: dict[str, list[str]]) -> None:
        repository = self.hub.repositories[model][-1]
        wanted = {"author": ["SFconvertbot"], "type": ["pull_request"], "status": ["open"]}
        numbers = repository.conversions if wanted.items() <= query.items() else []
        discussions = [
            {
                "num": number,
                "title": "Adding `safetensors` variant of this model",
                "author": {"name": "SFconvertbot"},
                "createdAt": "2023-01-01T00:00:00.000Z",
                "status": "open",
                "repo": {"name": model, "type": "model"},
                "isPullRequest": True,
            }
            for number in numbers
        ]
        answer = {"discussions": discussions, "count": len(discussions), "start": 0}
        self._send(200, json.dumps(answer).encode(), {})

    def _file(self, repository: Repository, action: str, name: str) -> None:
        if name not in repository.files:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        content = repository.files[name]
        large = is_large(name)
        etag = sha256(content).hexdigest() if large else git_id(content)
        if action == "resolve" and large:
            storage = f"http://localhost:{self.hub.port}{self.path.replace('/resolve/', '/storage/')}"
            linked = {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{etag}"'}
            self._send(302, b"", {"X-Repo-Commit": repository.commit, "Location": storage, **linked})
            return
        content = repository.served.get(name, content)
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = repository.cut.pop(name, None) if self.command == "GET" else None
        self._send(206 if start else 200, content[start:], headers, cut)

    def _error(self, status: int, code: str, message: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, status: int, content: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def is_large(name: str) -> bool:
    """Tell whether the hub keeps a file in Git LFS."""
    return PurePath(name).suffix in _LARGE or ".data-" in name


def git_id(content: bytes) -> str:
    """Return the id that Git gives to a content."""
    return sha1(b"blob %d\0" % len(content) + content).hexdigest()
