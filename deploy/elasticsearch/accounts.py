"""Read the accounts and their passwords from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.elasticsearch.errors import UsageError
from deploy.elasticsearch.json_api import Login

SUPERUSER = "elastic"


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the logs.

    Attributes:
        role: its role; None for an account of Elasticsearch's own.
    """

    user: str
    password: str
    role: str | None


# Setting -> user and role.
_ACCOUNTS: Mapping[str, tuple[str, str | None]] = {
    "KIBANA_PASSWORD": ("kibana_system", None),
    "OPERATOR_PASSWORD": ("bert-operator", "bert-operator"),
    "READER_PASSWORD": ("bert-reader", "bert-reader"),
    # Last, since Filebeat starts to write as soon as it can log in.
    "FILEBEAT_PASSWORD": ("bert-filebeat", "bert-writer"),
}


def secret(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the secret of NAME or of NAME_FILE's file.

    Return None if neither is set.

    Raises:
        UsageError: both are set, or the file cannot be read.
    """
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value and file:
        msg = f"{name} and {name}_FILE are both set; remove one"
        raise UsageError(msg)
    if not file:
        return value or None
    try:
        return Path(file).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name}_FILE {file} cannot be read ({error}); write the password into it"
        raise UsageError(msg) from error


def login(environment: Mapping[str, str], user: str = SUPERUSER, setting: str = "ELASTIC_PASSWORD") -> Login | None:
    """Return the account to log in with.

    Return None without a password.

    Raises:
        UsageError: as for ``secret``.
    """
    password = secret(setting, environment)
    return Login(user, password, setting) if password else None


def accounts(environment: Mapping[str, str]) -> list[Account]:
    """Return the accounts whose passwords are given.

    Raises:
        UsageError: as for ``secret``.
    """
    return [
        Account(user, password, role)
        for setting, (user, role) in _ACCOUNTS.items()
        if (password := secret(setting, environment))
    ]
