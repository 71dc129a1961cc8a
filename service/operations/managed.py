"""Guards of users and groups that provisioning manages, which nothing else changes."""

from uuid import UUID

from service.database.pool import Connection
from service.errors import PermissionDenied
from service.operations.call import Call
from service.repositories import provisioned_groups, provisioned_users
from service.repositories.groups import Group
from service.repositories.users import User


def _refusal(what: str) -> PermissionDenied:
    return PermissionDenied(
        f"{what} is managed by provisioning (SCIM), and changed by it alone: change it at the identity provider.",
        reason="managed_by_provisioning",
    )


async def require_unmanaged_user(connection: Connection, call: Call, old: User, new: User | None) -> None:
    """Require that provisioning manages nothing of what is to be changed of a locked user.

    It is asked again, as the lock may have waited for the change by which provisioning began to manage them.

    Args:
        connection: in the transaction that has locked them.
        call: that changes them.
        old: the user as they are.
        new: the user as they are to be; None: they are to be deleted.

    Raises:
        PermissionDenied: it does.
    """
    if new is not None and new == old:
        return
    found = await provisioned_users.find(connection, call.caller.organization_id, old.id)
    if found is None or not found.user.provisioned:
        return
    if new is None or (new.disabled, new.display_name, new.email) != (old.disabled, old.display_name, old.email):
        raise _refusal(f"User {old.username}")
    if found.gives_role and new.role is not old.role:
        raise _refusal(f"The role of user {old.username}")


async def require_unmanaged_group(connection: Connection, organization_id: UUID, group: Group) -> None:
    """Require that provisioning does not manage a locked group, likewise.

    Raises:
        PermissionDenied: it does.
    """
    found = await provisioned_groups.find(connection, organization_id, group.id)
    if found is not None and found.group.provisioned:
        raise _refusal(f"Group {group.name}")
