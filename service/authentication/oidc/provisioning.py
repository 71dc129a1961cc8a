"""Users who are made on sign-in, where an identity provider's people are."""

from uuid import UUID, uuid4

from service.database.pool import Connection, Database
from service.errors import AlreadyExists
from service.identity import Caller
from service.permissions import Role
from service.repositories import audit, identities, organizations, users
from service.repositories.identities import Identity


class NotProvisioned(Exception):
    """A user who can't be made; the text is a sentence for whoever signs in."""


async def provision(database: Database, identity: Identity, username: str | None) -> None:
    """Make a user with a link to an identity, in one transaction with its audit rows; audited as the user's own.

    A user of that name is never taken over: whoever is called so may be somebody else at the provider.

    Raises:
        NotProvisioned: the name is taken or unfit, or it is not known in which organization.
    """
    async with database.transaction() as connection:
        organization_id = identity.organization_id or await identities.find_only_organization(connection)
        if organization_id is None:
            raise NotProvisioned(
                "There are several organizations here, and the settings do not say to which the identity provider's"
                " people belong: OIDC_ORGANIZATION does."
            )
        if not await organizations.find(connection, str(organization_id)):
            raise NotProvisioned("The identity provider's token names an organization that there is not.")
        try:
            await _make(connection, organization_id, identity, username)
        except AlreadyExists as error:
            raise NotProvisioned(
                f"There is a user called {username} who is not linked to you: ask an administrator to link you."
            ) from error


async def _make(connection: Connection, organization_id: UUID, identity: Identity, username: str | None) -> None:
    """Insert user and link, unless the identity has one: a user's who is disabled, or one that was made meanwhile.

    Raises:
        AlreadyExists: the name is taken, or the identity linked at the same moment.
        NotProvisioned: there is no name to make a user of.
    """
    if await identities.find_link(connection, organization_id, identity.issuer, identity.subject) is not None:
        return
    if username is None:
        raise NotProvisioned(
            "The identity provider's token has no name that a user here may have: 1 to 100 characters of"
            " A-Z a-z 0-9 _ . @ -. Ask an administrator to link you to a user."
        )
    link_id = uuid4()
    user = await users.insert(connection, organization_id, uuid4(), username, Role.MEMBER)
    await identities.insert(connection, organization_id, link_id, user.id, identity.issuer, identity.subject)
    now = await users.now(connection)
    caller = Caller(Role.MEMBER, None, organization_id, user.id, username, link_id, b"", (), now)
    state = {"role": user.role.value, "disabled": False}
    await audit.insert(connection, caller, "user.create", f"user:{username}", None, state)
    linked = {"issuer": identity.issuer, "subject": identity.subject, "id": link_id}
    await audit.insert(connection, caller, "user.link", f"user:{username}", None, linked)
