"""A database that can't be reached is said in one sentence, which names host, port and cause, by every command."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.database.connector import connect
from service.database.pool import open_database
from service.errors import StartupError
from service.health import Health
from service.settings import Settings
from tests.commands.forked import run
from tests.commands.test_encryption import EACH
from tests.process.running import free_port
from tests.tls import Authority, TlsServer

WAITING = {"serve", "demo"}
"""Commands that come up without the database, and say in their log that they are not ready."""


@pytest.mark.parametrize("arguments", [each for name, each in EACH.items() if name not in WAITING], ids=" ".join)
def test_a_command_names_host_port_and_cause(arguments: list[str]) -> None:
    port = free_port()
    done = run(*arguments, DATABASE_URL=f"postgresql://me:canary@127.0.0.1:{port}/n")

    said = (
        f"The database 127.0.0.1:{port}/n can't be reached: ConnectionRefusedError: nothing accepts connections there"
    )
    assert done.returncode == (1 if arguments == ["doctor"] else 2)
    assert said in (done.stdout if arguments == ["doctor"] else done.stderr)
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == (0 if arguments == ["doctor"] else 1)


@pytest.mark.parametrize("arguments", [["user", "list"], ["migrate"]], ids=" ".join)
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://u@host.invalid/n",
            "The database host.invalid:5432/n can't be reached: gaierror: the name of its",
        ),
        ("postgresql://u@/n?host=/none", "The database n at /none/.s.PGSQL.5432 can't be reached: FileNotFoundError: "),
        (
            "postgresql://u@localhost:1/n",
            "The database localhost:1/n can't be reached: ConnectionRefusedError: nothing accepts connections there"
            " (Connection refused).",
        ),
        (
            "postgresql://u@localhost:1,127.0.0.1:1/n",
            "The database localhost:1,127.0.0.1:1/n can't be reached: localhost:1: ConnectionRefusedError: nothing",
        ),
        ("host=/none dbname=n user=u", "The database n at /none/.s.PGSQL.5432 can't be reached: FileNotFoundError: "),
        (
            "postgresql://u@/n?host=/none,/nowhere",
            "FileNotFoundError: there is no such socket; does the server run? (No",
        ),
    ],
)
def test_an_address_that_leads_nowhere_is_told(arguments: list[str], url: str, said: str) -> None:
    done = run(*arguments, DATABASE_URL=url, DATABASE_PLAINTEXT="true")

    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


@asynccontextmanager
async def refusing(state: str, message: str) -> AsyncIterator[int]:
    """Answer as PostgreSQL does when it takes no connection, by a SQLSTATE and a message; yield the port."""
    tasks = set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        if not state:
            writer.close()
            return
        fields = b"".join(
            kind + value.encode() + b"\0" for kind, value in ((b"S", "FATAL"), (b"C", state), (b"M", message))
        )
        writer.write(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("state", "message", "cause"),
    [
        ("28P01", 'password authentication failed for user "u"', "it does not accept the role and password (password"),
        (
            "28P01",
            "Passwort-Authentifizierung für Benutzer fehlgeschlagen",
            "it does not accept the role and password (",
        ),
        ("28000", 'no pg_hba.conf entry for host "1.2.3.4"', "it does not let the role in (no pg_hba.conf entry"),
        ("3D000", 'database "n" does not exist', 'it has no such database (database "n" does not exist)'),
        ("53300", "sorry, too many clients already", "it has no connection left (sorry, too many clients already)"),
        ("57P03", "the database system is starting up", "it is starting up, shutting down or recovering (the database"),
        ("42501", 'permission denied for database "n"', "it does not let the role into the database (permission"),
        ("42704", 'unrecognized configuration parameter "x"', "UndefinedObjectError: unrecognized configuration"),
        ("08P01", "no such user: u", "it refuses how the service connects (no such user: u)"),
        ("", "", "it ended the connection while it was made; is it a PostgreSQL?"),
    ],
)
async def test_a_refusal_of_the_server_is_told_with_its_words(
    state: str, message: str, cause: str, settings: Settings
) -> None:
    async with refusing(state, message) as port:
        dsn = f"postgresql://u:canary@127.0.0.1:{port}/n?sslmode=disable"
        with pytest.raises(StartupError) as alone:
            await connect(dsn)
        async with open_database(dsn, settings) as database:
            (reason,) = await Health(database, 5).reasons()

    assert str(alone.value).startswith(f"The database 127.0.0.1:{port}/n can't be reached: {cause}")
    assert reason == str(alone.value)
    assert "canary" not in reason


# ---- TLS


@pytest.mark.parametrize(
    "arguments",
    [["migrate"], ["import", "sql/demo.ndjson"], ["export", "-"], ["user", "list"], ["doctor"]],
    ids=" ".join,
)
def test_a_server_that_is_not_trusted_is_told_with_what_tls_said(
    arguments: list[str], tls_postgres: TlsServer, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    address = ".".join(map(str, _address(tls_postgres.host)))
    for dsn, said in (
        (tls_postgres.dsn(sslrootcert=other.file), "no authority of sslrootcert has signed its certificate"),
        (
            tls_postgres.dsn(sslrootcert=tls_postgres.authority.file, sslmode="verify-full").replace(
                tls_postgres.host, address
            ),
            "its certificate is for another name than DATABASE_URL has",
        ),
        (
            tls_postgres.dsn(sslrootcert=tls_postgres.authority.file, sslcert="/none"),
            "sslcert names /none, which can't be read",
        ),
        (
            tls_postgres.dsn(sslmode="require", channel_binding="require"),
            "channel_binding=require is kept by verifying that",
        ),
    ):
        done = run(*arguments, DATABASE_URL=dsn)
        assert done.returncode == (1 if arguments == ["doctor"] else 2), done.stderr
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def _address(name: str) -> list[int]:
    """Return the parts of a loopback address that is written in its short form, which is no name of this machine."""
    first, second, rest = map(int, name.split("."))
    return [first, second, rest // 256, rest % 256]


def test_an_address_that_a_managed_server_hands_out_is_taken(tls_postgres: TlsServer) -> None:
    timeouts = "connect_timeout=10&keepalives=1&keepalives_idle=5&tcp_user_timeout=1000"
    rest = "gssencmode=disable&fallback_application_name=x&target_session_attrs=read-write&sslsni=1"
    dsn = tls_postgres.dsn(sslmode="require", channel_binding="require", sslrootcert=tls_postgres.authority.file)
    done = run("migrate", DATABASE_URL=f"{dsn}&{timeouts}&{rest}")

    assert done.returncode == 0, done.stderr
