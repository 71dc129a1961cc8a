"""Commands on a server, as the user of a token: what they do and say is what they do and say beside the database."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.commands.forked import run_each
from tests.commands.test_commands import run
from tests.factories import World
from tests.process.running import free_port, running_service

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z")
SECRET = re.compile(r"fp_\w+")
NOBODY = f"fp_{'0' * 64}"


@pytest.fixture(name="server", scope="module")
def _server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("server"), dsn) as service:
        yield service.api


async def filled(world: World) -> str:
    """Fill an organization, and return the token of its administrator ada."""
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    group = await world.group(bob, name="reviewers")
    invoices, _ = await world.pipeline("Invoices"), await world.pipeline("Returns")
    await world.grant(invoices, bob, 63)
    await world.grant(invoices, group, 3)
    await world.job(bob, invoices, job_id="job-1")
    return ada.token


DONE = (
    ["pipeline", "list"],
    ["pipeline", "list", "--name", "inv o&i=%+ces"],
    ["pipeline", "show", "invoices"],
    ["pipeline", "access", "Invoices"],
    ["pipeline", "access", "Invoices", "--permission", "write"],
    ["pipeline", "why", "Invoices", "bob"],
    ["pipeline", "jobs", "Invoices"],
    ["pipeline", "create", " New ", "--description", "of März\n"],
    ["pipeline", "create", "Managed", "--manager", "bob"],
    ["pipeline", "create", "Left alone", "--manager", "nobody"],
    ["pipeline", "create", "invoices"],
    ["pipeline", "create", "\x1b"],
    ["pipeline", "list", "--name", "Left alone"],
    ["pipeline", "edit", "New", "--name", "Newer", "--description", ""],
    ["pipeline", "edit", "Newer", "--name", "Invoices"],
    ["pipeline", "edit", "Newer"],
    ["pipeline", "delete", "Invoices", "--yes"],
    ["pipeline", "delete", "Newer", "--yes"],
    ["pipeline", "delete", "Newer", "--yes"],
    ["pipeline", "show", "00000000-0000-0000-0000-000000000000"],
    ["pipeline", "show", "\u0130" * 300],
    ["grant", "list", "Invoices"],
    ["grant", "set", "Invoices", "--user", "bob", "--permission", "write"],
    ["grant", "set", "Invoices", "--user", "bob", "--permission", "write"],
    ["grant", "set", "Invoices", "--group", "reviewers", "--manager", "--expires-in", "9d"],
    ["grant", "set", "Returns", "--user", "bob", "--permission", "execute"],
    ["grant", "set", "Returns", "--user", "nobody"],
    ["grant", "set", "None", "--user", "bob"],
    ["grant", "revoke", "Invoices", "--group", "reviewers", "--yes"],
    ["grant", "revoke", "Invoices", "--group", "reviewers", "--yes"],
    ["group", "list"],
    ["group", "create", "auditors"],
    ["group", "create", "Auditors"],
    ["group", "create", "me"],
    ["group", "add", "auditors", "bob"],
    ["group", "add", "auditors", "bob"],
    ["group", "add", "auditors", "nobody"],
    ["group", "members", "auditors"],
    ["group", "members", "none"],
    ["group", "remove", "auditors", "bob", "--yes"],
    ["group", "remove", "auditors", "bob", "--yes"],
    ["group", "delete", "auditors", "--yes"],
    ["user", "list"],
    ["user", "list", "--name", "x" * 300],
    ["user", "create", "carol", "--role", "pipeline_admin"],
    ["user", "create", "carol"],
    ["user", "role", "bob", "admin"],
    ["user", "role", "bob", "member", "--withdraw-grants"],
    ["user", "role", "nobody", "member"],
    ["user", "disable", "bob", "--yes"],
    ["user", "enable", "bob"],
    ["job", "put", "job-1", "--name", "one", "--pipeline", "Returns", "--pipeline", "invoices"],
    ["job", "put", "job-2", "--owner", "carol", "--no-pipelines"],
    ["job", "put", "job-2", "--pipeline", "Nowhere"],
    ["job", "put", "a/b", "--owner", "carol"],
    ["job", "show", "job-1"],
    ["job", "show", "job-3"],
    ["job", "delete", "job-1", "--yes"],
    ["job", "delete", "job-1", "--yes"],
    ["token", "create", "bob", "--name", "ci", "--scope", "flow_pipeline:read", "--expires-in", "90d"],
    ["token", "create", "nobody"],
    ["token", "list", "bob"],
    ["token", "rotate", "00000000-0000-0000-0000-000000000000"],
    ["token", "revoke", "00000000-0000-0000-0000-000000000000", "--yes"],
    ["audit", "tail", "-n", "3", "--action", "group.create"],
)
"""Commands one after the other; each is run both ways, in organizations that are alike."""


def plain(text: str) -> str:
    """Return what was printed without what differs from one organization to another."""
    text = ID.sub("ID", SECRET.sub("SECRET", TIME.sub("TIME", text)))
    text = re.sub(r'"(id|request_id|token_id)":("\w+"|null|\d+)', r'"\1":0', text)
    return re.sub("command line|ada", "WHO", text)


async def test_commands_do_and_say_on_a_server_what_they_do_and_say_beside_the_database(
    dsn: str, world: World, server: str
) -> None:
    other = await World.create(world.raw)
    beside, token = str(other.id), await filled(world)
    await filled(other)
    calls = [[*words, *more] for words in DONE for more in ([], ["--json"]) if not more or words[1] in READING]

    on_server = run_each(calls, FLOW_PIPELINES_SERVER=server, FLOW_PIPELINES_TOKEN=token, DATABASE_URL="none:")
    local = run_each([[*words, "--organization", beside] for words in calls], DATABASE_URL=dsn)

    for remote, known in zip(on_server, local, strict=True):
        assert plain(remote.stdout) == plain(known.stdout), remote
        assert plain(remote.stderr) == plain(known.stderr), remote
        assert remote.returncode == known.returncode
    actors = await world.raw.fetch("SELECT DISTINCT actor FROM audit WHERE organization_id = $1", world.id)
    assert [row["actor"] for row in actors] == ["ada"]


READING = {"list", "show", "access", "why", "jobs", "members", "tail"}
