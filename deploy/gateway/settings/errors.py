"""Define the exception of invalid settings."""


class SettingsError(ValueError):
    """A setting is invalid.

    The message is shown to the user.
    """
