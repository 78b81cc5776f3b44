"""What the services that speak HTTP share: a connection with limits."""

from deploy.http.connection import IDLE_S, MAX_HEAD_BYTES, Connection, Headers, end_overdue

__all__ = ["IDLE_S", "MAX_HEAD_BYTES", "Connection", "Headers", "end_overdue"]
