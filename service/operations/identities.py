"""Operations on links: which users identity providers know, and by which subject; for operators alone."""

from dataclasses import dataclass
from uuid import uuid4

from service.database.pool import Connection
from service.errors import NotFound
from service.operations.call import Call
from service.operations.tokens import target_of, token_state
from service.operations.users import find_user
from service.repositories import identities, token_trees, tokens
from service.repositories.authority import PROVE_FOR_USER
from service.repositories.identities import Link


@dataclass(frozen=True, slots=True)
class IdentityRef:
    """A person as an identity provider knows them."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class LinkIdentity(IdentityRef):
    """A person as an identity provider knows them, and the user whom they are to come as."""

    username: str


@dataclass(frozen=True, slots=True)
class ListLinks:
    """The user whose links are wanted; None: of all users."""

    username: str | None = None


async def link_identity(call: Call, request: LinkIdentity) -> Link:
    """Link somebody whom an identity provider knows to a user: they come as that user from now on.

    Raises:
        NotFound: there is no such user.
        AlreadyExists: they are linked to a user of the organization.
    """
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        user = await find_user(connection, organization_id, request.username)
        proof = await call.prove(connection, PROVE_FOR_USER, user.id)
        link_id = uuid4()
        await identities.insert(connection, organization_id, link_id, user.id, request.issuer, request.subject)
        made = await _find(connection, call, request.issuer, request.subject)
        await proof.audit("user.link", f"user:{user.username}", None, _state(made))
    return made


async def unlink_identity(call: Call, request: IdentityRef) -> Link:
    """Unlink somebody from their user: they are refused from the very next request on, with the tokens they have made.

    Those are what was made by calls with the provider's token; others of the user's stay.

    Raises:
        NotFound: they are linked to nobody.
    """
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        await token_trees.lock_trees(connection, organization_id)
        found = await _find(connection, call, request.issuer, request.subject)
        user = await find_user(connection, organization_id, found.username)
        proof = await call.prove(connection, PROVE_FOR_USER, user.id)
        made = await token_trees.find_made_by_link(connection, organization_id, found.id)
        gone = await tokens.lock(connection, organization_id, made)
        await tokens.revoke(connection, organization_id, [each.id for each in gone])
        if not await identities.delete(connection, organization_id, found.id):
            raise _unknown(request.issuer, request.subject)
        await proof.audit("user.unlink", f"user:{user.username}", _state(found), None)
        await proof.audit_each("token.revoke", [(target_of(each.id), token_state(each), None) for each in gone])
    return found


async def list_links(call: Call, request: ListLinks) -> list[Link]:
    """List the links of a user, or of all, by username; the first thousand.

    Raises:
        NotFound: there is no such user.
    """
    organization_id = call.caller.organization_id
    async with call.database.connection() as connection:
        user = await find_user(connection, organization_id, request.username) if request.username else None
        return await identities.list_links(connection, organization_id, user.id if user else None)


async def _find(connection: Connection, call: Call, issuer: str, subject: str) -> Link:
    found = await identities.find_link(connection, call.caller.organization_id, issuer, subject)
    if found is None:
        raise _unknown(issuer, subject)
    return found


def _unknown(issuer: str, subject: str) -> NotFound:
    return NotFound(f"{subject} of {issuer} is linked to no user.")


def _state(link: Link) -> dict[str, object]:
    return {"id": link.id, "issuer": link.issuer, "subject": link.subject}
