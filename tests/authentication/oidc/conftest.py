"""A provider of identities, and a client of a service that takes its tokens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.settings import Settings
from service.values.identity_providers import Provider
from tests import contract
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, running_provider
from tests.conftest import Client
from tests.factories import Member, World

Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with running_provider() as running:
        yield running


@pytest.fixture
async def serve(
    settings: Settings, database: Database, provider: IdentityProvider, world: World
) -> AsyncIterator[Serve]:
    """Start a service that takes tokens of the provider, for the test's organization."""
    async with AsyncExitStack() as stack:

        async def start(**said: Any) -> Client:
            trusted = replace(Provider(provider.issuer, AUDIENCE, organization=world.id), **said)
            with_provider = replace(settings, providers=(trusted,))
            app = create_app(with_provider, database, Health(database, settings.ready_timeout))
            app.middlewares.insert(0, contract.hold_answers)
            return await stack.enter_async_context(TestClient(TestServer(app)))

        yield start


async def link(world: World, member: Member, provider: IdentityProvider, subject: str) -> UUID:
    link_id = uuid4()
    await world.raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, $4, $5)",
        *(world.id, link_id, member.id, provider.issuer, subject),
    )
    return link_id
