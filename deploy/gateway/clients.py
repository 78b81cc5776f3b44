"""Open the clients of the served models."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bert_mlm_client import AsyncFillMask, AsyncTextClassifier

from deploy.gateway.model.access import ModelAccess
from deploy.gateway.settings import Settings

Client = TypeVar("Client")


def open_client(settings: Settings, access: ModelAccess, addresses: Sequence[str]) -> AsyncFillMask:
    """Create a client of the masked language model."""
    transport = access.transport(settings.model_name, addresses)
    return AsyncFillMask(transport, settings.model_name, timeout=settings.timeout_s)


def open_classifier_client(settings: Settings, access: ModelAccess, addresses: Sequence[str]) -> AsyncTextClassifier:
    """Create a client of the classifier."""
    transport = access.transport(settings.classifier, addresses)
    return AsyncTextClassifier(transport, settings.classifier, timeout=settings.timeout_s)


def by_address(
    addresses: Sequence[str], client: Client, open_one: Callable[[Sequence[str]], Client]
) -> Mapping[str, Client]:
    """Return a client for each model server.

    A client of several servers would balance its requests.
    """
    if len(addresses) == 1:
        return {addresses[0]: client}
    return {address: open_one((address,)) for address in addresses}
