"""What the services that speak HTTP share: a connection with limits, and bodies with limits."""

from deploy.http.body import Bodies, BodyReader, BodyTooLargeError, TooManyBodiesError
from deploy.http.connection import IDLE_S, MAX_HEAD_BYTES, Connection, Headers, end_overdue

__all__ = [
    "IDLE_S",
    "MAX_HEAD_BYTES",
    "Bodies",
    "BodyReader",
    "BodyTooLargeError",
    "Connection",
    "Headers",
    "TooManyBodiesError",
    "end_overdue",
]
