"""The command line's sign-in by an identity provider: a real one, a service in a process of its own, real commands."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from service.client.sso.kept import KeptSignIn
from tests.commands.forked import run_each
from tests.commands.test_server import keep
from tests.factories import World
from tests.oidc.browse import browse
from tests.oidc.running import AUDIENCE, COMMAND_LINE, PAGE, running_provider
from tests.process.running import ROOT, environment, free_port, running_service


@pytest.fixture(name="issuer", scope="module")
def _issuer() -> Iterator[str]:
    """Run a provider whose access tokens are renewed by every command, as they end before it does."""
    with running_provider(f"http://127.0.0.1:{free_port()}/admin/signed-in", ACCESS_TOKEN_SECONDS="1") as issuer:
        yield issuer


@pytest.fixture(name="server", scope="module")
def _server(dsn: str, issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    said = {"OIDC_ISSUER": issuer, "OIDC_AUDIENCE": AUDIENCE, "OIDC_CLIENT_ID": PAGE, "OIDC_NAME": "Acme"}
    directory = tmp_path_factory.mktemp("server")
    with running_service(directory, dsn, OIDC_COMMAND_LINE_CLIENT_ID=COMMAND_LINE, **said) as service:
        yield service.api


async def linked(world: World, issuer: str) -> str:
    """Create an administrator whom the provider knows; return the name that it knows them by."""
    member, subject = await world.user("ada", role="admin"), f"ada-{world.id}"
    await world.raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, $4, $5)",
        *(world.id, uuid4(), member.id, issuer, subject),
    )
    return subject


def home(path: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(path), "DATABASE_URL": "none:", "DISPLAY": "", "WAYLAND_DISPLAY": "", **more}


def with_browser(path: Path, login: str) -> dict[str, str]:
    """Return settings by which a browser opens, in which somebody signs in."""
    return home(path, BROWSER=f"{sys.executable} -m tests.oidc.browse %s", LOGIN=login)


def start(*arguments: str, **settings: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "service", *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=environment(**settings), text=True, **pipes)  # type: ignore[call-overload,no-any-return] # pipes are pipes


def kept(path: Path) -> str:
    return (path / "flow-pipelines/contexts.json").read_text()


async def test_login_by_the_browser_is_kept_renewed_and_ended(
    world: World, server: str, issuer: str, tmp_path: Path
) -> None:
    subject = await linked(world, issuer)
    calls = [["login", server, "--sso"], ["context", "list"], ["group", "create", "one"]]
    login, *done = run_each(calls, **with_browser(tmp_path, subject))

    assert login.stdout.startswith(f"Logged in to {server} as ada, admin."), login
    assert login.stderr.startswith("Sign in with Acme in the browser.")
    before = kept(tmp_path)
    assert (tmp_path / "flow-pipelines/contexts.json").stat().st_mode & 0o777 == 0o600
    together = [start("group", "create", f"g{number}", **home(tmp_path)) for number in range(2)]
    outputs = [each.communicate(timeout=60) for each in together]

    codes = [each.returncode for each in done] + [each.returncode for each in together]
    assert codes == [0] * 4, (done, outputs)
    assert kept(tmp_path) != before
    actors = await world.raw.fetch("SELECT DISTINCT actor FROM audit WHERE organization_id = $1", world.id)
    assert [row["actor"] for row in actors] == ["ada"]

    refresh = json.loads(next(iter(json.loads(kept(tmp_path))["contexts"].values()))["token"])["refresh"]
    (out,) = run_each([["logout"]], **home(tmp_path))
    form = {"client_id": COMMAND_LINE, "grant_type": "refresh_token", "refresh_token": refresh}
    assert (out.returncode, refresh in kept(tmp_path)) == (0, False)
    assert (await asyncio.to_thread(requests.post, f"{issuer}/token", form)).json()["error"] == "invalid_grant"


async def test_login_by_a_code_needs_no_browser_here(world: World, server: str, issuer: str, tmp_path: Path) -> None:
    subject = await linked(world, issuer)
    process = start("login", server, "--sso", "--json", **home(tmp_path, BROWSER=""))
    assert process.stderr
    told = process.stderr.readline()
    found = re.fullmatch(r"Open (\S+) on any machine, sign in with Acme, and type the code (\S+)\n", told)
    assert found, told
    browse(found[1], subject, found[2])
    said, errors = process.communicate(timeout=60)

    assert (process.returncode, json.loads(said)["user"]["username"]) == (0, "ada"), errors


def test_sign_in_that_has_ended_is_told(server: str, issuer: str, tmp_path: Path) -> None:
    said = ("refused: ", "has ended", "can't be read")
    texts = [KeptSignIn(issuer, COMMAND_LINE, "a.b.c", 0, refresh).written() for refresh in ("forged", None)]
    keep(tmp_path, server, "", *"abc")
    content = json.loads(kept(tmp_path))
    for name, text in zip("abc", [*texts, "{}"], strict=True):
        content["contexts"][name]["token"] = text
    (tmp_path / "flow-pipelines/contexts.json").write_text(json.dumps(content))
    done = run_each([["user", "list", "--context", name] for name in "abc"], **home(tmp_path))

    assert [each.returncode for each in done] == [1, 1, 2], done
    assert [sentence in each.stderr for each, sentence in zip(done, said, strict=True)] == [True] * 3, done
    assert f"`login {server} --sso`" in done[1].stderr


def test_login_by_a_provider_where_there_is_none(tmp_path: Path, server: str) -> None:
    wrong = [
        ["login", server, "--sso", "--issuer", "https://other.example"],
        ["login", server, "--device"],
        ["login", "http://127.0.0.1:1", "--sso"],
    ]
    done = run_each(wrong, **home(tmp_path))

    assert [each.returncode for each in done] == [1, 64, 2]
    assert "Say by --issuer which identity provider is meant" in done[0].stderr


def test_metadata_of_the_protected_resource(server: str, issuer: str) -> None:
    answer = requests.get(f"{server}/.well-known/oauth-protected-resource", timeout=10)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {
        "resource": server,
        "authorization_servers": [issuer],
        "scopes_supported": ["openid", "profile"],
        "bearer_methods_supported": ["header"],
        "flow_sign_in": [{"issuer": issuer, "name": "Acme", "client_id": COMMAND_LINE, "scope": "openid profile"}],
    }
