"""List and download the files of a model on the Hugging Face hub.

Without a connection, the copy in the local cache of Hugging Face's library takes their place.
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

# Otherwise requests name installed packages, and hf_xet reports every transfer. The library reads it on import.
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
"""Hugging Face's account that proposes safetensors for repositories that have none."""


@dataclass(frozen=True, slots=True)
class Published:
    """A revision on the hub and the SHA-256 digests that its files were published with."""

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
"""Models whose digests are part of this repository: a file that a mirror or a proxy changed is rejected."""


def list_model(model: str, revision: str | None = None) -> Listing:
    """Return the files of a model at one commit.

    Args:
        model: its name, "owner/name".
        revision: a commit, branch or tag; the pinned commit where this repository knows one, else "main".

    Raises:
        SourceError: no such model or revision, or no connection and no copy in the local cache.
    """
    pinned = PINNED.get(model)
    if pinned is not None and revision in (None, pinned.revision):
        return Listing(model, pinned.revision, pinned.digests, partial(_fetch, model, pinned.revision))
    branch = revision or constants.DEFAULT_REVISION
    try:
        return _list_repository(model, branch)
    except _UnreachableError as error:
        return _list_cache(model, branch, error)


class _UnreachableError(Exception):
    """The hub does not answer; the message says why."""


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
            msg = f"{error}; or take the files that {_CONVERTER} of Hugging Face made of it: revision {conversion}"
            raise SourceError(msg) from None
        raise
    _remember(model, branch, commit)
    return Listing(model, commit, published, partial(_fetch, model, commit))


def _remember(model: str, branch: str, commit: str) -> None:
    """Note a branch's commit in the cache, where the library looks it up without a connection.

    It does so by itself only for files that are asked for by branch, each of which could be of another commit.
    """
    if branch == commit:
        return
    reference = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=model, repo_type="model"), "refs", branch)
    with suppress(OSError):  # a cache that is only read is fine
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit, encoding="ascii")


def _find_conversion(model: str) -> str | None:
    """Return the reference of an open pull request that adds safetensors, if Hugging Face's converter made one."""
    find = partial(
        HfApi().get_repo_discussions,
        model,
        author=_CONVERTER,
        discussion_type="pull_request",
        discussion_status="open",
    )
    with suppress(HTTPError, OSError, ValueError, KeyError, TypeError):
        return _within(_CONNECT_S, lambda: next((request.git_reference for request in find()), None))
    return None


def _fetch(model: str, commit: str, name: str) -> Path:
    """Return the path of a file in the cache, downloading it if it is not there."""
    cached = try_to_load_from_cache(model, name, revision=commit)
    if isinstance(cached, str):
        return Path(cached)
    try:
        with _hub_errors(model, commit):
            _connect()
            return Path(hf_hub_download(model, name, revision=commit))
    except _UnreachableError as error:
        raise _no_way(model, error, f"the local cache has no {name} of it") from error


def _list_cache(model: str, branch: str, error: _UnreachableError) -> Listing:
    """Return the files of a model that were downloaded before, by this export or by another program."""
    small = [*CONFIGS, *VOCABULARIES, *TOKENIZER_FILES]
    try:
        folder = Path(snapshot_download(model, revision=branch, local_files_only=True, allow_patterns=small))
    except IncompleteSnapshotError as missing:
        raise _no_way(model, error, f"its copy in the local cache, {missing.snapshot_path}, lacks files") from error
    except LocalEntryNotFoundError:
        raise _no_way(model, error, f"the local cache has no revision {branch} of it") from error
    published = {path.name: _blob_digest(path) for path in folder.iterdir() if path.is_file()}
    try:
        choose_form(published, model)
    except SourceError:
        raise _no_way(model, error, f"its copy in the local cache, {folder}, has no weights to export") from error
    return Listing(model, folder.name, published, folder.joinpath)


def _blob_digest(path: Path) -> str | None:
    """Return the SHA-256 of a large file, which is the name of what it links to."""
    blob = path.readlink().name if path.is_symlink() else ""
    return blob if _SHA256.fullmatch(blob) else None


def _no_way(model: str, error: _UnreachableError, cache_state: str) -> SourceError:
    return SourceError(
        f"{model} could not be downloaded from {constants.ENDPOINT}: {error}, and {cache_state}; check the connection, "
        "set HF_ENDPOINT to a mirror, or give a local folder"
    )


@contextmanager
def _hub_errors(model: str, revision: str) -> Iterator[None]:
    """Turn what the library raises into one sentence, or into _UnreachableError where another try can help."""
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
        msg = f"{hub} does not answer as a hub does ({_first_line(error)}); check HF_ENDPOINT and the proxy"
        raise SourceError(msg) from error


@cache
def _connect() -> None:
    """Try the connection, once: the library retries for half a minute, at each of a host's addresses.

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
        return  # the proxy knows the way
    address = url.hostname, url.port or (443 if url.scheme == "https" else 80)
    try:
        _within(_CONNECT_S, lambda: socket.create_connection(address, _CONNECT_S).close())
    except TimeoutError as error:
        msg = f"no connection within {_CONNECT_S:g} s"
        raise _UnreachableError(msg) from error
    except OSError as error:
        raise _UnreachableError(error.strerror or error) from error


def _within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what a call returns, or give up waiting for it.

    Raises:
        TimeoutError: it took longer; it goes on in a thread that does not outlive the process.
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(seconds)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
