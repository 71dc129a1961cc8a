"""Statements on the facts that `doctor` judges: of the server, of the role that asks, and of what is in the tables."""

from service.doctor.facts.contents import (
    Keeper,
    OddName,
    TrailPart,
    TrailState,
    count_escaped_tokens,
    read_keepers,
    read_missing_groups,
    read_odd_names,
    read_trail,
    read_unbounded_times,
)
from service.doctor.facts.privileges import Surroundings, read_privileges, read_surroundings
from service.doctor.facts.server import (
    Encryption,
    ServerFacts,
    find_encryption,
    read_backend_pid,
    read_clock,
    read_encryption,
    read_prepared_statements,
    read_server,
)

__all__ = [
    "Encryption",
    "Keeper",
    "OddName",
    "ServerFacts",
    "Surroundings",
    "TrailPart",
    "TrailState",
    "count_escaped_tokens",
    "find_encryption",
    "read_backend_pid",
    "read_clock",
    "read_encryption",
    "read_keepers",
    "read_missing_groups",
    "read_odd_names",
    "read_prepared_statements",
    "read_privileges",
    "read_server",
    "read_surroundings",
    "read_trail",
    "read_unbounded_times",
]
