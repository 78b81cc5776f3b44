"""The setup's exceptions."""


class SetupError(Exception):
    """Error that ends the setup.

    The message is shown to the user.
    """

    exit_status = 1


class UsageError(SetupError):
    """An argument or a setting is invalid."""

    exit_status = 2
