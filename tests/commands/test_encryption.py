"""No command sends plain text to a database on another machine unasked."""

import socket
from pathlib import Path

import pytest

from service.__main__ import commands
from tests.commands.forked import run
from tests.process.running import running_service
from tests.tls import ELSEWHERE, TlsServer

DEMO = "sql/demo.ndjson"
EACH = {
    "apply": ["apply", "--file", "tests/commands/declared.json"],
    "audit": ["audit", "tail"],
    "demo": ["demo"],
    "doctor": ["doctor"],
    "export": ["export", "-"],
    "grant": ["grant", "list", "Invoices"],
    "group": ["group", "list"],
    "identity": ["identity", "list"],
    "import": ["import", "-"],
    "job": ["job", "show", "4711"],
    "migrate": ["migrate"],
    "organization": ["organization", "list"],
    "pipeline": ["pipeline", "list"],
    "serve": ["serve"],
    "token": ["token", "list", "ada"],
    "user": ["user", "list"],
    "whoami": ["whoami"],
}
"""A call of each command that works beside the database."""
OF_CONTEXTS = {"context", "login", "logout"}
"""The commands that never do."""


def test_there_is_a_call_of_each_command() -> None:
    assert set(EACH) | OF_CONTEXTS == set(commands.commands)


@pytest.mark.parametrize("arguments", [*EACH.values(), ["migrate", "--check"]], ids=" ".join)
def test_command_does_not_connect_in_plain_text(arguments: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        dsn = f"postgresql://me:canary@{ELSEWHERE}:{port}/n?sslmode=prefer"
        refused = run(*arguments, DATABASE_URL=dsn)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()

    said = f"The database {ELSEWHERE}:{port}/n is on another machine, and sslmode=prefer may send plain text there: "
    assert refused.returncode == (1 if arguments == ["doctor"] else 2)
    assert said in (refused.stdout if arguments == ["doctor"] else refused.stderr)
    assert "canary" not in refused.stdout + refused.stderr


def test_commands_work_on_a_server_that_they_verify(tls_postgres: TlsServer, tmp_path: Path) -> None:
    owner = tls_postgres.dsn(sslrootcert=tls_postgres.authority.file)
    service = tls_postgres.dsn("flow_service", sslrootcert=tls_postgres.authority.file)

    for arguments in (["migrate"], ["import", DEMO], ["export", "-"], ["user", "list"]):
        done = run(*arguments, DATABASE_URL=owner)
        assert done.returncode == 0, done.stderr
    examined = run("doctor", "--grace", "60", DATABASE_URL=service)
    with running_service(tmp_path, service) as running:
        running.wait_until("/readyz", 200)

    assert examined.returncode == 0, examined.stdout
    (line,) = [line for line in examined.stdout.splitlines() if " encryption " in line]
    assert line.startswith("ok       encryption         TLSv1.3, TLS_AES_256_GCM_SHA384, authority and name verified")


def test_commands_work_in_plain_text_where_that_is_allowed(tls_postgres: TlsServer) -> None:
    plain = tls_postgres.dsn(database="postgres", sslmode="disable")

    for arguments in (["migrate"], ["migrate", "--check"], ["import", DEMO], ["export", "-"], ["user", "list"]):
        done = run(*arguments, DATABASE_URL=plain, DATABASE_PLAINTEXT="true")
        assert done.returncode == 0, done.stderr
    examined = run("doctor", "--grace", "60", DATABASE_URL=plain, DATABASE_PLAINTEXT="true")

    (line,) = [line for line in examined.stdout.splitlines() if " encryption " in line]
    assert line == "ok       encryption         none, within this machine", "the name leads to a loopback address"
