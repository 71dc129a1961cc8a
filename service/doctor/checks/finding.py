"""The outcome of a check of `doctor`."""

from dataclasses import dataclass
from typing import Final, Literal

USE_OWN_ROLE: Final = "Let DATABASE_URL of `serve` name the role flow_service, which deploy/roles.sql makes"
"""The remedy where the role is another one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    state: Literal["ok", "warning", "wrong", "skipped"]
    found: str
    remedy: str | None = None
