"""List and download model files on the Hugging Face hub.

Without a connection, the local cache of huggingface_hub is used.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from export.errors import SourceError
from export.forms import CONFIGS, TOKENIZER_FILES, VOCABULARIES, choose_form
from export.listing import Listing

# Without this, requests list the installed packages, and hf_xet reports every transfer. It is read on import.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = os.environ.get("HF_HUB_DISABLE_TELEMETRY") or "1"

from httpx2 import HTTPError, TransportError
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

_T = TypeVar("_T")

_CONNECT_S = 3.0
_ANSWER_S = 10.0
_SHA256 = re.compile("[0-9a-f]{64}")
_CONVERTER = "SFconvertbot"
"""Hugging Face's bot that opens pull requests with safetensors."""


@dataclass(frozen=True, slots=True)
class Published:
    """A hub revision and the SHA-256 digests of its files."""

    revision: str
    digests: dict[str, str]


PINNED = {
    "google-bert/bert-base-chinese": Published(
        revision="8f23c25b06e129b6c986331a13d8d025a92cf0ea",
        digests={
            "model.safetensors": "3404a1ffd8da507042e8161013ba2a4fc49858b4e3f8fbf5ce5724f94883aec3",
            "config.json": "88af762cfb15fa9ce183c84dcbfdc9d635196ba635dfe81f265fdd21d67f4c4c",
            "vocab.txt": "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c",
            "tokenizer.json": "55c5edcfb8936895e019b2d8f97dcb547734f25b29f95009155f4c8c15649aae",
            "tokenizer_config.json": "0f6d13e6f4da6f9e24f22ada6bc3be571123d858d7c0c05a8a7cd55a9c23c2e8",
        },
    )
}
"""Models with digests in this repository, so that a file changed by a mirror or proxy is rejected."""


def list_model(model: str, revision: str | None = None) -> Listing:
    """Return the files of a model at one commit.

    Args:
        model: its name, "owner/name".
        revision: a commit, branch or tag; by default the pinned commit, else "main".

    Raises:
        SourceError: the model or revision does not exist, or there is no connection and no copy in the local cache.
    """
    pinned = PINNED.get(model)
    branch = revision or (pinned.revision if pinned else constants.DEFAULT_REVISION)
    try:
        if pinned and branch == pinned.revision:
            return _list_pinned(model, pinned)
        return _list_repository(model, branch)
    except _UnreachableError as error:
        return _list_cache(model, branch, error)


class _UnreachableError(Exception):
    """The hub is unreachable.

    The message gives the reason.
    """


def _list_pinned(model: str, pinned: Published) -> Listing:
    if any(_cached(model, pinned.revision, name) is None for name in pinned.digests):
        _connect()
    return Listing(model, pinned.revision, pinned.digests, partial(_fetch, model, pinned.revision))


def _list_repository(model: str, branch: str) -> Listing:
    with _hub_errors(model, branch):
        _connect()
        info = HfApi().model_info(model, revision=branch, files_metadata=True, timeout=_ANSWER_S)
        published = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings or ()}
        commit = str(info.sha)
    try:
        choose_form(published, model)
    except SourceError as error:
        if conversion := _find_conversion(model):
            msg = f"{error}; or take what Hugging Face's converter made of it, with --revision {conversion}"
            raise SourceError(msg) from None
        raise
    _cache_commit(model, branch, commit)
    return Listing(model, commit, published, partial(_fetch, model, commit))


def _cache_commit(model: str, branch: str, commit: str) -> None:
    """Record a branch's commit in the cache for offline use.

    The library only does so for files that are requested by branch, each of which could be of another commit.
    """
    if branch == commit:
        return
    reference = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=model, repo_type="model"), "refs", branch)
    with suppress(OSError):  # the cache may be read-only
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit, encoding="ascii")


def _find_conversion(model: str) -> str | None:
    """Return the reference of the converter's open pull request."""
    find = partial(
        HfApi().get_repo_discussions,
        model,
        author=_CONVERTER,
        discussion_type="pull_request",
        discussion_status="open",
    )
    with suppress(HTTPError, OSError, ValueError, KeyError, TypeError):
        return _call_with_timeout(_CONNECT_S, lambda: next((request.git_reference for request in find()), None))
    return None


def _fetch(model: str, commit: str, name: str) -> Path:
    """Return a file's cached path, downloading it if needed."""
    if cached := _cached(model, commit, name):
        return cached
    try:
        with _hub_errors(model, commit):
            return Path(hf_hub_download(model, name, revision=commit))
    except _UnreachableError as error:
        raise _download_error(model, error, f"the local cache has no {name} of it") from error


def _cached(model: str, commit: str, name: str) -> Path | None:
    path = try_to_load_from_cache(model, name, revision=commit)
    return Path(path) if isinstance(path, str) else None


def _list_cache(model: str, branch: str, error: _UnreachableError) -> Listing:
    """Return the files of a model in the local cache."""
    small = [*CONFIGS, *VOCABULARIES, *TOKENIZER_FILES]
    try:
        folder = Path(snapshot_download(model, revision=branch, local_files_only=True, allow_patterns=small))
    except IncompleteSnapshotError as missing:
        raise _download_error(
            model, error, f"its copy in the local cache, {missing.snapshot_path}, lacks files"
        ) from error
    except LocalEntryNotFoundError:
        raise _download_error(model, error, f"the local cache has no revision {branch} of it") from error
    published = {path.name: _blob_digest(path) for path in folder.iterdir() if path.is_file()}
    if model in PINNED and folder.name == PINNED[model].revision:
        published |= {name: digest for name, digest in PINNED[model].digests.items() if name in published}
    try:
        choose_form(published, model)
    except SourceError:
        raise _download_error(
            model, error, f"its copy in the local cache, {folder}, has no weights to export"
        ) from error
    return Listing(model, folder.name, published, folder.joinpath)


def _blob_digest(path: Path) -> str | None:
    """Return the SHA-256 of a cached large file.

    The cache links to a blob that is named by its SHA-256.
    """
    blob = path.readlink().name if path.is_symlink() else ""
    return blob if _SHA256.fullmatch(blob) else None


def _download_error(model: str, error: _UnreachableError, cache_state: str) -> SourceError:
    offline = constants.is_offline_mode()
    advice = "unset it" if offline else "check the connection, set HF_ENDPOINT to a mirror"
    return SourceError(
        f"{model} could not be downloaded from {constants.ENDPOINT}: {error}, and {cache_state}; {advice}, or give a "
        "local folder"
    )


@contextmanager
def _hub_errors(model: str, revision: str) -> Iterator[None]:
    """Convert the library's errors to SourceError or _UnreachableError.

    _UnreachableError is raised for errors that a retry or the cache may resolve.
    """
    hub = constants.ENDPOINT
    try:
        yield
    except GatedRepoError:
        msg = f"{model} is gated: accept its terms at {hub}/{model}, then set HF_TOKEN to your token"
        raise SourceError(msg) from None
    except RepositoryNotFoundError:
        msg = f"{hub} has no model {model}, or it is private; check the spelling, set HF_TOKEN, or give a local folder"
        raise SourceError(msg) from None
    except RevisionNotFoundError:
        msg = f"{model} has no revision {revision} at {hub}; give a commit, branch or tag that it has"
        raise SourceError(msg) from None
    except HFValidationError as error:
        msg = f"{model!r} is not a model's name: {_first_line(error)}"
        raise SourceError(msg) from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        answer = f"{error.response.url} is answered with status {status}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _UnreachableError(answer) from error
        msg = f"{model} could not be downloaded: {answer}; check HF_ENDPOINT and HF_TOKEN"
        raise SourceError(msg) from error
    except (TransportError, LocalEntryNotFoundError) as error:
        raise _UnreachableError(_first_line(error.__cause__ or error)) from error
    except (HTTPError, ValueError, TypeError, KeyError) as error:
        msg = f"{hub} returned an invalid response ({_first_line(error)}); check HF_ENDPOINT and the proxy"
        raise SourceError(msg) from error


@cache
def _connect() -> None:
    """Test the connection once per process.

    This fails fast; the library retries each of a host's addresses for half a minute.

    Raises:
        SourceError: HF_ENDPOINT is not a URL.
        _UnreachableError: there is no connection.
    """
    if constants.is_offline_mode():
        msg = "HF_HUB_OFFLINE is set"
        raise _UnreachableError(msg)
    url = urlsplit(constants.ENDPOINT)
    if url.scheme not in {"http", "https"} or not url.hostname:
        msg = f"HF_ENDPOINT is {constants.ENDPOINT!r}; write a URL, such as https://huggingface.co"
        raise SourceError(msg)
    if {url.scheme, "all"} & getproxies().keys() and not proxy_bypass(url.hostname):
        return  # the proxy resolves and connects
    address = url.hostname, url.port or (443 if url.scheme == "https" else 80)
    try:
        _call_with_timeout(_CONNECT_S, lambda: socket.create_connection(address, _CONNECT_S).close())
    except TimeoutError as error:
        msg = f"no connection within {_CONNECT_S:g} s"
        raise _UnreachableError(msg) from error
    except OSError as error:
        raise _UnreachableError(error.strerror or str(error)) from error


def _call_with_timeout(seconds: float, call: Callable[[], _T]) -> _T:
    """Run a call with a timeout.

    Raises:
        TimeoutError: the call took longer. It continues in a daemon thread.
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised by result()
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(seconds)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
