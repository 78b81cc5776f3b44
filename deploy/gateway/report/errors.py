"""Define the report's exceptions."""


class ReportError(Exception):
    """The report cannot be created.

    The message is shown to the user.
    """

    exit_status = 1


class NoLogError(ReportError):
    """The log file does not exist.

    Perhaps nothing was logged yet.
    """


class TimeLimitError(ReportError):
    """The report timed out or was cancelled."""


class UsageError(ReportError):
    """An argument is invalid."""

    exit_status = 2
