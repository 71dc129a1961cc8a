"""What the service's role is to be allowed, read from the file by which `migrate` sets it."""

import re
from typing import Final

from service.database.sql_files import sql_directory

_GRANT: Final = re.compile(r"\bGRANT\s+(.+?)\s+ON\s+(?:SEQUENCE\s+)?(.+?)\s+TO\s+flow_service;", re.DOTALL)
_PRIVILEGE: Final = re.compile(r"[A-Z]+(?: \([a-z_]+\))?")


def intended_privileges() -> set[tuple[str, str]]:
    """Every (relation, privilege) of sql/privileges.sql, as repositories.installation.privileges() tells what is."""
    statements = (sql_directory() / "privileges.sql").read_text(encoding="utf-8")
    return {
        (relation.strip(), privilege)
        for privileges, relations in _GRANT.findall(statements)
        for relation in relations.split(",")
        for privilege in _PRIVILEGE.findall(privileges)
    }
