"""Load the gateway's settings from given variables."""

import os
from collections.abc import Mapping, Sequence
from unittest.mock import patch

from deploy.gateway.settings import Settings, load_settings


def settings_from(variables: Mapping[str, str], arguments: Sequence[str] = ()) -> Settings:
    """Return the settings of an environment with only these variables."""
    with patch.dict(os.environ, variables, clear=True):
        return load_settings(arguments)
