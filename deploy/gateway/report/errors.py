"""What the report raises."""


class ReportError(Exception):
    """There is nothing to report, or it cannot be read or drawn. The message is shown to the user as it is."""

    exit_status = 1


class NoLogError(ReportError):
    """There is no log file, perhaps because nothing was logged so far."""


class TimeLimitError(ReportError):
    """It took longer than it may, or is not wanted any more."""


class UsageError(ReportError):
    """An argument cannot be understood."""

    exit_status = 2
