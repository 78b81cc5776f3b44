"""What the report raises."""


class ReportError(Exception):
    """There is nothing to report, or it cannot be read or drawn. The message is shown to the user as it is."""

    exit_status = 1


class UsageError(ReportError):
    """An argument cannot be understood."""

    exit_status = 2
