"""The privileges that the service's role is meant to have, read from the file by which `migrate` sets them."""

import re
from typing import Final

from service.database.sql_files import sql_directory

_GRANT: Final = re.compile(r"\bGRANT\s+(.+?)\s+ON\s+(?:SEQUENCE\s+|FUNCTION\s+)?(.+?)\s+TO\s+flow_service;", re.DOTALL)
_PRIVILEGE: Final = re.compile(r"([A-Z]+)(?:\s+\(([a-z_,\s]+)\))?")

_BETWEEN: Final = re.compile(r",(?![^()]*\))")
"""A comma that is not between the parameters of a function."""


def intended_privileges() -> set[tuple[str, str]]:
    """Return every (relation, privilege) of sql/privileges.sql, in the form of facts.read_privileges()."""
    statements = (sql_directory() / "privileges.sql").read_text(encoding="utf-8")
    return {
        (relation.strip(), privilege)
        for privileges, relations in _GRANT.findall(statements)
        for relation in _BETWEEN.split(relations)
        for name, columns in _PRIVILEGE.findall(privileges)
        for privilege in ([f"{name} ({column.strip()})" for column in columns.split(",")] if columns else [name])
    }
