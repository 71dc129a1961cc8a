"""Checks of the role that the service has at the server: it may do what the service needs, and nothing else."""

from collections import defaultdict

from service.doctor.checks.finding import USE_OWN_ROLE, Finding
from service.doctor.facts import ServerFacts, Surroundings


def check_role(server: ServerFacts) -> Finding:
    """Check that the role is the service's own, with no power over the tables as such."""
    if server.superuser:
        return Finding("role", "wrong", f"{server.role} is a superuser", f"{USE_OWN_ROLE}.")
    if server.can_become_owner:
        found = f"{server.role} owns the tables, or may act as their owner: it could change the audit trail"
        return Finding("role", "wrong", found, f"{USE_OWN_ROLE}; only `migrate`, `import` and `export` take more.")
    return Finding("role", "ok", f"{server.role} is neither a superuser nor the owner")


def check_privileges(server: ServerFacts, held: set[tuple[str, str]], intended: set[tuple[str, str]]) -> Finding:
    """Check the privileges that the role holds against those that sql/privileges.sql intends."""
    if server.superuser or server.can_become_owner:
        return Finding("privileges", "skipped", f"{server.role} may do everything")
    if not server.migrated:
        return Finding("privileges", "skipped", "nothing was ever migrated here")
    missing, excess = intended - held, held - intended
    if missing:
        found = f"{server.role} lacks {_listed(missing)}"
        remedy = f"Run `migrate`, which sets what flow_service may do. {USE_OWN_ROLE}."
        return Finding("privileges", "wrong", found, remedy)
    if excess:
        remedy = (
            "Run deploy/roles.sql once more, which closes what is open to every role, and revoke the rest, from the"
            " role or from PUBLIC: `migrate` takes back what was granted to flow_service itself. What the role is by"
            " itself, such as CREATEROLE, goes by ALTER ROLE ... NOCREATEROLE."
        )
        return Finding("privileges", "wrong", f"{server.role} may, beside what it needs, {_listed(excess)}", remedy)
    return Finding("privileges", "ok", f"{server.role} may do what it needs, and nothing else")


def _listed(privileges: set[tuple[str, str]]) -> str:
    """Format privileges by relation, such as "INSERT (action, actor), SELECT on audit; UPDATE on jobs"."""
    by_relation: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for relation, privilege in sorted(privileges):
        name, _, column = privilege.partition(" ")
        by_relation[relation][name] += [column.strip("()")] if column else []
    return "; ".join(
        ", ".join(f"{name} ({', '.join(columns)})" if columns else name for name, columns in each.items())
        + f" on {relation}"
        for relation, each in by_relation.items()
    )


def check_surroundings(server: ServerFacts, surroundings: Surroundings) -> Finding:
    """Check that the role owns nothing, and gets into no database but those that it was let into."""
    if server.superuser or server.can_become_owner:
        return Finding("surroundings", "skipped", f"{server.role} may do everything")
    if surroundings.owned:
        found = f"{server.role} owns {surroundings.owned} objects, which it may change in any way"
        remedy = f"Let flow_migrator run `migrate`, and give them away: REASSIGN OWNED BY {server.role} TO flow_owner."
        return Finding("surroundings", "wrong", found, remedy)
    if surroundings.database in surroundings.open_databases:
        found = f"every role of the server may connect to {surroundings.database}"
        return Finding(
            "surroundings", "warning", found, "Run deploy/roles.sql once more: it lets in the service's own."
        )
    if surroundings.open_databases:
        found = f"{server.role} may connect to {', '.join(surroundings.open_databases)}, as every role may"
        remedy = "REVOKE CONNECT ON DATABASE ... FROM PUBLIC, if nothing else needs that."
        return Finding("surroundings", "warning", found, remedy)
    return Finding("surroundings", "ok", f"{server.role} owns nothing, and gets into no other database uninvited")
