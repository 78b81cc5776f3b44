"""Read the models to serve from flags or a ModelServerConfig.

Checks, their order and their texts are those of tensorflow_serving/model_servers/server_core.cc.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded import text_proto
from deploy.embedded.errors import Code, ServingError, StartError, invalid
from deploy.embedded.flags import Settings
from deploy.embedded.proto.config_pb2 import ModelConfig, ModelServerConfig, ModelType, ServableVersionPolicy

_PLATFORM = "tensorflow"
_URI = re.compile(r"[a-zA-Z][0-9a-zA-Z.]*://")


@dataclass(frozen=True, slots=True)
class Latest:
    """The policy that serves the highest version numbers."""

    count: int = 1

    def choose(self, numbers: Collection[int]) -> set[int]:
        """Return the version numbers to serve."""
        return set(sorted(numbers)[-self.count :])


@dataclass(frozen=True, slots=True)
class All:
    """The policy that serves every version."""

    def choose(self, numbers: Collection[int]) -> set[int]:
        """Return the version numbers to serve."""
        return set(numbers)


@dataclass(frozen=True, slots=True)
class Specific:
    """The policy that serves the listed versions."""

    numbers: frozenset[int]

    def choose(self, numbers: Collection[int]) -> set[int]:
        """Return the version numbers to serve."""
        return set(numbers) & self.numbers


@dataclass(frozen=True, slots=True)
class Model:
    """A model's name and the folder with its numbered versions."""

    name: str
    base_path: Path
    policy: Latest | All | Specific = Latest()
    labels: Mapping[str, int] = field(default_factory=dict)
    """Version numbers by label, which a request may use instead of a number."""
    logs_requests: bool = False


def models(settings: Settings) -> tuple[Model, ...]:
    """Return the models that the settings name.

    Raises:
        StartError: no model is given, or the file cannot be read or is invalid.
    """
    if settings.model_config_file is not None:
        return read_models(settings.model_config_file)
    if not settings.model_base_path:
        msg = "No model to serve; give --model_base_path (and --model_name) or --model_config_file."
        raise StartError(msg)
    return (Model(settings.model_name, Path(settings.model_base_path).absolute()),)


def read_models(path: Path) -> tuple[Model, ...]:
    """Read a ModelServerConfig in text format.

    An empty one lists no models.

    Raises:
        StartError: the file is missing, malformed or invalid (see ``listed_models``).
    """
    config = text_proto.read(path, ModelServerConfig())
    if config.WhichOneof("config") is None:
        return ()
    try:
        return listed_models(config)
    except ServingError as error:
        raise StartError(error.text) from error


def listed_models(config: ModelServerConfig, served: Collection[str] = ()) -> tuple[Model, ...]:
    """Return the models of a configuration.

    Args:
        config: the new configuration.
        served: the names of the models served now, whose platform cannot change.

    Raises:
        ServingError: FAILED_PRECONDITION if it is not a list; INVALID_ARGUMENT if a model is listed twice, or has no
            name, a relative base path or a platform other than TensorFlow.
    """
    if config.WhichOneof("config") != "model_config_list":
        msg = (
            "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."
        )
        raise ServingError(Code.FAILED_PRECONDITION, msg)
    listed = config.model_config_list.config
    names: set[str] = set()
    for entry in listed:
        if entry.name in names:
            msg = f"Illegal to list model {entry.name} multiple times in config list"
            raise invalid(msg)
        names.add(entry.name)
    for entry in listed:
        if not _URI.match(entry.base_path) and not entry.base_path.startswith("/"):
            msg = f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
            raise invalid(msg)
    for entry in listed:
        if entry.name in served and (platform := _platform(entry)) != _PLATFORM:
            msg = (
                f"Illegal to change a model's platform. For model {entry.name} platform was {_PLATFORM} and new "
                f"platform requested is {platform}"
            )
            raise invalid(msg)
    return tuple(_model(entry) for entry in listed)


def _model(entry: ModelConfig) -> Model:
    if not entry.name:
        msg = f"The model in {entry.base_path} has no name; give it one."
        raise invalid(msg)
    if (platform := _platform(entry)) != _PLATFORM:
        msg = f"Model {entry.name} requests unsupported platform {platform}"
        raise invalid(msg)
    return Model(
        name=entry.name,
        base_path=Path(entry.base_path.removeprefix("file://")),
        policy=_policy(entry.model_version_policy),
        labels=dict(entry.version_labels),
        logs_requests=entry.HasField("logging_config"),
    )


def _platform(entry: ModelConfig) -> str:
    if entry.model_type == ModelType.MODEL_TYPE_UNSPECIFIED:
        if not entry.model_platform:
            msg = (
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                "ModelServerConfig::model_platform."
            )
            raise invalid(msg)
        return entry.model_platform
    if entry.model_platform:
        msg = "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
        raise invalid(msg)
    if entry.model_type != ModelType.TENSORFLOW:
        msg = f"ModelServerConfig::model_type choice {entry.model_type} not supported."
        raise invalid(msg)
    return _PLATFORM


def _policy(policy: ServableVersionPolicy) -> Latest | All | Specific:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(frozenset(policy.specific.versions))
        case _:
            return Latest(max(1, policy.latest.num_versions))
