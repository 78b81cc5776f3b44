"""Read the gateway's settings from flags and environment variables."""

from deploy.gateway.settings.errors import SettingsError
from deploy.gateway.settings.load import SECRETS, describe, load_settings
from deploy.gateway.settings.model import Settings
from deploy.gateway.settings.values import WebhookFormat

__all__ = ["SECRETS", "Settings", "SettingsError", "WebhookFormat", "describe", "load_settings"]
