"""Open files by path or URL.

Local paths need fsspec alone; other addresses, such as s3://bucket/folder, also need PyArrow, which has their clients.
"""

import os
import uuid
from typing import IO, Any, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

from deploy.batch.errors import BatchError

_FSSPEC_SCHEMES = ("file", "memory")


class Storage:
    """File system with paths as the user writes them.

    Args:
        url: a path or URL in this file system.

    Raises:
        BatchError: the scheme of the URL is unknown.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, _ = url.partition("://")
        self._prefix = f"{scheme}://" if separator and scheme != "file" else ""
        if not separator or scheme in _FSSPEC_SCHEMES:
            self._files: Any = fsspec.filesystem(scheme if separator else "file")
        else:
            self._files = _arrow_file_system(url)
        self._is_local = isinstance(self._files, LocalFileSystem)

    @classmethod
    def of(cls, url: str) -> tuple[Self, str]:
        """Return the storage of a URL, and its absolute form."""
        storage = cls(url)
        return storage, storage.absolute(url)

    def absolute(self, url: str) -> str:
        """Return an absolute path or URL without trailing slash."""
        bare = url.rstrip("/") or "/"
        return os.path.abspath(bare.removeprefix("file://")) if self._is_local else bare  # noqa: PTH100 - it may have a glob

    def find(self, pattern: str) -> list[str]:
        """Return the sorted files of a path, folder or glob."""
        path = self._path(pattern)
        if self._files.isdir(path):
            path = f"{path.rstrip('/')}/*"
        found = self._files.glob(path)
        # Names that start with a dot or an underscore are hidden, as in Hadoop and Spark.
        names = [one for one in found if not one.rpartition("/")[2].startswith((".", "_")) and self._files.isfile(one)]
        return [self._url(one) for one in sorted(names)]

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of a folder's entries by name."""
        path = self._path(folder)
        if not self._files.exists(path):
            return {}
        self._files.invalidate_cache()
        return {
            one["name"].rstrip("/").rpartition("/")[2]: one["size"] or 0 for one in self._files.ls(path, detail=True)
        }

    def is_file(self, url: str) -> bool:
        """Return whether a file exists."""
        return bool(self._files.isfile(self._path(url)))

    def size(self, url: str) -> int:
        """Return the size of a file in bytes."""
        return int(self._files.size(self._path(url)))

    def open(self, url: str) -> IO[bytes]:
        """Open a file for reading."""
        opened: IO[bytes] = self._files.open(self._path(url), "rb")
        return opened

    def read(self, url: str) -> bytes:
        """Return the content of a file."""
        content: bytes = self._files.cat_file(self._path(url))
        return content

    def make_folder(self, url: str) -> None:
        """Create a folder and its parents, if missing."""
        self._files.makedirs(self._path(url), exist_ok=True)

    def remove(self, url: str) -> None:
        """Remove a file."""
        self._files.rm_file(self._path(url))

    def write(self, url: str, content: bytes, *, scratch: str) -> None:
        """Write a file that no reader sees unfinished.

        Args:
            url: the file, which is replaced if it exists.
            content: its content.
            scratch: a folder of the same file system for the unfinished file. An object store needs none: an object
                appears when it is complete.
        """
        path = self._path(url)
        if not self._is_local:
            with self._files.open(path, "wb") as file:
                file.write(content)
            return
        # Unique, because a worker that was given up for lost may still write the same file.
        unfinished = f"{self._path(scratch)}/{uuid.uuid4().hex}.tmp"
        with self._files.open(unfinished, "wb") as file:
            file.write(content)
        os.replace(unfinished, path)  # noqa: PTH105 - paths of fsspec are strings

    def _path(self, url: str) -> str:
        return self.absolute(url) if self._is_local else url.removeprefix(self._prefix)

    def _url(self, path: str) -> str:
        return path if self._is_local else f"{self._prefix}{path}"


def _arrow_file_system(url: str) -> Any:
    scheme = url.partition("://")[0]
    try:
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow.fs import FileSystem

        return ArrowFSWrapper(FileSystem.from_uri(url.partition("*")[0])[0])
    except ImportError as error:
        msg = f"{scheme}:// needs PyArrow; run make ray"
        raise BatchError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"could not open {url}: {error}"
        raise BatchError(msg) from error
