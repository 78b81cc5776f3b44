"""Set up Elasticsearch for the logs."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from deploy.elasticsearch.accounts import Account
from deploy.elasticsearch.definitions import STREAMS, Document, component_templates, index_templates, roles
from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import ApiError, JsonApi

OLDEST = (8, 19)
"""The first version in which failure stores are generally available."""

Say = Callable[[str], object]


def set_up(api: JsonApi, *, retention: str, accounts: Iterable[Account], say: Say) -> None:
    """Create or update templates, streams, roles and accounts.

    The setup is idempotent. Templates come first and the accounts last: until it has an account, Filebeat waits, and it
    never writes into a name without a template, which would become a plain index.

    Args:
        api: the server.
        retention: how long documents are kept, such as 30d.
        accounts: the accounts whose passwords are given.
        say: prints what was done.

    Raises:
        SetupError: the server is too old, another index has a stream's name, or a request was rejected.
    """
    _check_version(api)
    streams = _check_names(api)
    for name, template in component_templates(retention).items():
        path = f"/_component_template/{name}"
        before = api.ask("GET", path, missing={}).get("component_templates", [])
        _put(api, path, template, [one["component_template"].get("_meta", {}) for one in before], say)
    for name, template in index_templates().items():
        path = f"/_index_template/{name}"
        before = api.ask("GET", path, missing={}).get("index_templates", [])
        _put(api, path, template, [one["index_template"].get("_meta", {}) for one in before], say)
    for stream in streams:
        _upgrade(api, stream, retention, say)
    _set_up_security(api, accounts, say)


def _check_version(api: JsonApi) -> None:
    number = api.ask("GET", "/")["version"]["number"]
    major, minor = (int(part) for part in number.split(".")[:2])
    if (major, minor) < OLDEST or (major, minor) == (9, 0):
        msg = f"{api.url} is Elasticsearch {number}, whose failure stores are not ready; use 8.19, or 9.1 or later"
        raise SetupError(msg)


def _check_names(api: JsonApi) -> list[str]:
    """Return the existing streams.

    Raises:
        SetupError: a plain index or an alias has a stream's name. Writes would go there, past every template.
    """
    found = api.ask("GET", f"/_resolve/index/{STREAMS}?expand_wildcards=all")
    for kind, names in (("an index", found["indices"]), ("an alias", found["aliases"])):
        foreign = [one["name"] for one in names if "data_stream" not in one]
        if foreign:
            msg = (
                f"{foreign[0]} is {kind}, not a data stream, and would receive the logs without their types; "
                "stop Filebeat, reindex or delete it, and run this again"
            )
            raise SetupError(msg)
    return [one["name"] for one in found["data_streams"]]


def _put(api: JsonApi, path: str, document: Document, before: list[Document], say: Say) -> None:
    """Put a template and print whether it has changed.

    An unchanged template is put, too: it may have been edited on the server.
    """
    api.ask("PUT", path, document)
    if not before:
        outcome = "created"
    else:
        outcome = "unchanged" if before[0].get("digest") == document["_meta"]["digest"] else "updated"
    say(f"{path.removeprefix('/_').replace('_', ' ').replace('/', ' ', 1)}: {outcome}")


def _upgrade(api: JsonApi, stream: str, retention: str, say: Say) -> None:
    """Apply the templates to an existing stream.

    Without this they apply from the next rollover on.
    """
    simulated = api.ask("POST", f"/_index_template/_simulate_index/{stream}")
    try:
        api.ask("PUT", f"/{stream}/_mapping?write_index_only=true", simulated["template"]["mappings"])
    except ApiError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        # A field has another type now. Ids are unique within one backing index, so a line that Filebeat repeats
        # after this is there twice.
        api.ask("POST", f"/{stream}/_rollover")
        say(f"stream {stream}: rolled over, since the type of a field changed; lines sent twice just now count twice")
    else:
        say(f"stream {stream}: has the current fields")
    try:
        api.ask("PUT", f"/_data_stream/{stream}/_lifecycle", {"data_retention": retention})
    except ApiError as error:
        if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_FOUND}:
            raise
        say(f"stream {stream}: keeps its retention, since this server cannot change it ({error.status})")


def _set_up_security(api: JsonApi, accounts: Iterable[Account], say: Say) -> None:
    try:
        api.ask("GET", "/_security/_authenticate")
    except ApiError as error:
        if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise
        say("security is off on this server: no roles and accounts; keep its port closed to other hosts")
        return
    for name, role in roles().items():
        before = api.ask("GET", f"/_security/role/{name}", missing={}).get(name)
        api.ask("PUT", f"/_security/role/{name}", role)
        say(f"role {name}: {_role_outcome(before, role)}")
    for account in accounts:
        if account.role is None:
            api.ask("POST", f"/_security/user/{account.user}/_password", {"password": account.password})
            say(f"account {account.user}: password set")
            continue
        body = {"password": account.password, "roles": [account.role]}
        answer = api.ask("PUT", f"/_security/user/{account.user}", body)
        say(f"account {account.user}: {'created' if answer['created'] else 'password and role set'}")


def _role_outcome(before: Any, role: Document) -> str:
    if before is None:
        return "created"
    return "unchanged" if before["metadata"].get("digest") == role["metadata"]["digest"] else "updated"
