"""HTTP connections and bodies with limits, shared by the servers."""

from deploy.http.body import Bodies, BodyReader, BodyTooLargeError, TooManyBodiesError
from deploy.http.connection import IDLE_S, MAX_HEAD_BYTES, ON_DISCONNECT, Connection, Headers, end_overdue

__all__ = [
    "IDLE_S",
    "MAX_HEAD_BYTES",
    "ON_DISCONNECT",
    "Bodies",
    "BodyReader",
    "BodyTooLargeError",
    "Connection",
    "Headers",
    "TooManyBodiesError",
    "end_overdue",
]
