"""The checks of `doctor`, one function each: a judgement of facts and, where something is wrong, the remedy.

All are pure; examine.py collects the facts.
"""

from service.doctor.checks.contents import (
    check_audit,
    check_kept_grants,
    check_mapped_groups,
    check_names,
    check_times,
    check_tokens,
    check_triggers,
)
from service.doctor.checks.deployment import (
    Deployment,
    check_connections,
    check_memory,
    check_shutdown,
    shutdown_seconds,
)
from service.doctor.checks.finding import Finding
from service.doctor.checks.privileges import check_privileges, check_role, check_surroundings
from service.doctor.checks.server import (
    Pooling,
    check_answers,
    check_clock,
    check_connecting,
    check_encryption,
    check_migrations,
    check_pooler,
    check_reached,
    check_server,
    check_timeout,
)

__all__ = [
    "Deployment",
    "Finding",
    "Pooling",
    "check_answers",
    "check_audit",
    "check_clock",
    "check_connecting",
    "check_connections",
    "check_encryption",
    "check_kept_grants",
    "check_mapped_groups",
    "check_memory",
    "check_migrations",
    "check_names",
    "check_pooler",
    "check_privileges",
    "check_reached",
    "check_role",
    "check_server",
    "check_shutdown",
    "check_surroundings",
    "check_timeout",
    "check_times",
    "check_tokens",
    "check_triggers",
    "shutdown_seconds",
]
