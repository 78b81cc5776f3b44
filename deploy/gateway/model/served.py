"""Describe a served model."""

from dataclasses import dataclass

from deploy.gateway.model.watch import ModelWatch


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model of the server.

    Attributes:
        name: its name on the server.
        watch: its status.
    """

    name: str
    watch: ModelWatch
