"""The context that commands work in: the database, and operations beside it, called by the operator.

Commands run the operations of the API, by an operator who acts as an administrator: there is no second set of rules,
and the audit trail says "command line".
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
from marshmallow import ValidationError

from service.client.answer import Answer, Follower, Operation, Operations, run_all_pages
from service.client.requests import route_of, values_of
from service.database.connector import connect
from service.database.errors import NoConnection
from service.database.migrations import compare, list_applied, listed, load_migrations
from service.database.pool import Connection, Database, open_database
from service.embedded.cluster import database_url
from service.errors import InvalidArgument, NotFound, StartupError
from service.http.responses import encode
from service.http.routes import Route
from service.identity import operator
from service.operations.audit import begin_to_follow, follow_audit
from service.operations.call import Call, Outcome
from service.operations.pipelines import list_pipelines
from service.repositories import organizations
from service.repositories.audit_feed import FeedCursor
from service.repositories.organizations import Organization
from service.schemas.audit import ListAudit, dump_audit
from service.schemas.fields import FILTER_LENGTH
from service.schemas.messages import flatten
from service.schemas.pages import Page
from service.schemas.pipelines import ListPipelines
from service.schemas.request import schema_of
from service.settings import Settings, read_settings
from service.values.ids import parse_uuid
from service.values.names import name_key

Result = TypeVar("Result")

FOLLOW_PAUSE: Final = 1.0
"""Seconds between two looks for what is new in the audit trail."""


def run_with_database(work: Callable[[Database], Awaitable[Result]], settings: Settings | None = None) -> Result:
    """Run a command's work on the database, once that is known to be there and migrated.

    Raises:
        StartupError: the database can't be reached or used.
    """
    settings = settings or read_settings()

    async def run(dsn: str) -> Result:
        await require_migrated(dsn, settings)
        async with open_database(dsn, settings) as database:
            try:
                return await work(database)
            except NoConnection as error:
                raise StartupError(database.describe(error)) from error

    with database_url(settings) as dsn:
        return asyncio.run(run(dsn))


async def require_migrated(dsn: str, settings: Settings) -> None:
    """Require a database that can be reached and has every migration, by the sentences of `migrate` and `serve`.

    Raises:
        StartupError: it can't be reached, lacks a migration, or is too new.
    """
    connection = await connect(dsn, plaintext=settings.database_plaintext, statement_cache_size=0)  # for a pooler
    try:
        missing = compare(await list_applied(Connection(connection)), load_migrations())
    finally:
        await connection.close()
    if missing:
        raise StartupError(f"The database lacks {listed(missing)}: run `migrate`.")


def run_beside_database(organization: str | None, work: Callable[[Operations], Awaitable[Result]]) -> Result:
    """Run operations in an organization as its operator."""
    settings = read_settings()

    async def run(database: Database) -> Result:
        call = operator_call(database, await resolve_organization(database, organization), settings)
        return await work(BesideDatabase(call))

    return run_with_database(run, settings)


def operator_call(database: Database, organization: Organization, settings: Settings) -> Call:
    """Make a call by the operator: an administrator of the organization who is no user of it."""
    return Call(operator(organization.id), database, token_max_lifetime=settings.token_max_lifetime)


@dataclass(frozen=True, slots=True)
class BesideDatabase:
    """Runs operations by an operator's calls, of requests and to answers as a server would have them."""

    call: Call

    async def run(self, operation: Operation, request: Any) -> Answer:
        """Run an operation; see `Operations`."""
        route, call = route_of(operation), self.call
        checked = _read(request)
        if call.within is not None:
            return _answer(route, await operation(call, checked))
        result = await call.database.run(lambda: operation(call, checked), only_reads=route.only_reads)
        return _answer(route, result)

    async def replace(self, operation: Operation, request: Any) -> Answer:
        """Run an operation that puts something in a place, which itself says what was there before."""
        return await self.run(operation, request)

    async def together(self, work: Callable[[Operations], Awaitable[Result]]) -> Result:
        """Run several operations in one transaction."""

        async def run() -> Result:
            async with self.call.transaction() as connection:
                return await work(BesideDatabase(self.call._replace(within=connection)))

        return await self.call.database.run(run, only_reads=False)

    async def undo(self, operation: Operation, request: Any) -> None:
        """Leave it to the transaction, which ends with the failure."""

    async def follow_audit(self, request: Any) -> Follower:
        """Begin to follow the audit trail, by the difference of snapshots."""
        return _Feed(self.call, request, await begin_to_follow(self.call))


def _read(request: Any) -> Any:
    """Return a request as the API would read it, refused by the same rules.

    Raises:
        InvalidArgument: it is not valid.
    """
    try:
        return schema_of(type(request)).read(values_of(request))
    except ValidationError as error:
        raise InvalidArgument.of_fields(flatten(error.messages)) from None


def _answer(route: Route, result: Any) -> Answer:
    created, former = False, None
    if isinstance(result, Outcome):
        result, created, former = result.value, result.created, result.former
    shown = None if former is None else _as_json(route.dump(former))
    return Answer(_as_json(route.dump(result)), created, shown)


def _as_json(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(encode(answer))
    return found


class _Feed:
    """Follows the audit trail at the database: each entry comes once, whenever its transaction commits."""

    def __init__(self, call: Call, request: ListAudit, cursor: FeedCursor) -> None:
        self._call, self._request, self._cursor = call, request, cursor

    async def read(self) -> list[dict[str, Any]]:
        """Return entries that are new since the last time."""
        if self._cursor.target is None:
            await asyncio.sleep(FOLLOW_PAUSE)
        entries, self._cursor = await follow_audit(self._call, self._request, self._cursor)
        body = _as_json(dump_audit(Page(entries)))
        found: list[dict[str, Any]] = body["audit"]
        return found


async def resolve_organization(database: Database, name_or_id: str | None) -> Organization:
    """Find the organization that a person means; the only one if they name none.

    Raises:
        NotFound: there is none, or it takes a name or an id to tell which.
    """
    if name_or_id == "":
        raise NotFound("The name of the organization is empty: leave --organization out, or say which is meant.")
    async with database.connection() as connection:
        found = await organizations.find(connection, name_or_id, limit=2)
    if not found and name_or_id:
        raise NotFound(f"There is no organization {name_or_id}.")
    if not found:
        raise NotFound("There is no organization yet: `organization create` makes one, and `import` can.")
    if len(found) > 1 and name_or_id:
        raise NotFound(f"There is more than one organization called {name_or_id}: say which by its id.")
    if len(found) > 1:
        raise NotFound("There is more than one organization: say which by --organization.")
    return found[0]


async def resolve_pipeline(operations: Operations, name_or_id: str) -> UUID:
    """Find the pipeline that a person means by its id, or by its name regardless of case.

    Raises:
        NotFound: there is none of that name.
    """
    if found := parse_uuid(name_or_id):
        return found
    key = name_key(name_or_id)
    if len(key) <= FILTER_LENGTH:
        for pipeline in (await run_all_pages(operations, list_pipelines, ListPipelines(name=key))).body["pipelines"]:
            if name_key(pipeline["name"]) == key:
                return UUID(pipeline["id"])
    raise NotFound(f"There is no pipeline called {name_or_id}.")
