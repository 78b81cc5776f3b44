"""Send the documents of the failure store again."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from deploy.elasticsearch.definitions import STREAMS
from deploy.elasticsearch.json_api import ApiError, JsonApi

_PAGE = 500
_KEPT_S = "5m"


@dataclass(slots=True)
class Resent:
    """Outcome of resending documents.

    Attributes:
        delivered: those that are in their stream now.
        present: those that were there already.
        refused: those that were refused again, and are once more in the failure store.
    """

    delivered: int = 0
    present: int = 0
    refused: int = 0

    def __str__(self) -> str:
        """Return the numbers as a sentence."""
        return f"{self.delivered} delivered, {self.present} there already, {self.refused} refused again"


def resend(api: JsonApi, streams: str = STREAMS) -> Resent:
    """Create the documents of the failure store in their streams.

    Documents keep their ids, so this is idempotent. At the flood stage of the disk, Elasticsearch puts documents into
    the failure store instead of rejecting them, so Filebeat does not retry. Failed documents stay in the failure store
    until its retention ends.

    Args:
        api: the server, with an account that may read failures and create documents.
        streams: the pattern of the streams.

    Raises:
        SetupError: the server rejected a request.
    """
    found = Resent()
    for failure in _failures(api, streams):
        document = failure["document"]
        path = f"/{document['index']}/_create/{quote(document['id'], safe='')}"
        try:
            answer = api.ask("PUT", path, document["source"])
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            found.present += 1
        else:
            if answer.get("failure_store") == "used":
                found.refused += 1
            else:
                found.delivered += 1
    return found


def _failures(api: JsonApi, streams: str) -> Iterator[dict[str, Any]]:
    # A snapshot: what is refused again meanwhile is not part of it.
    page = api.ask("POST", f"/{streams}::failures/_search?scroll={_KEPT_S}", {"size": _PAGE, "sort": ["_doc"]})
    while hits := page["hits"]["hits"]:
        yield from (hit["_source"] for hit in hits)
        page = api.ask("POST", "/_search/scroll", {"scroll": _KEPT_S, "scroll_id": page["_scroll_id"]})
