"""Encryption of connections: no plain text to another machine unasked, and no server that was not verified."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import uvloop

from service.database.address import read_address
from service.database.connector import Connector, NoServer, connect
from service.database.encryption import MAX_BYTES, Encryption, EncryptionError, TlsFailure, is_this_machine
from service.database.pool import open_database
from service.errors import StartupError, Unavailable
from service.settings import Settings
from tests import tls
from tests.tls import ELSEWHERE, Authority, TlsServer


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module", name="authority")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not tls.has_openssl():
        pytest.skip(tls.NO_OPENSSL)
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


# ---- which machine


@pytest.mark.parametrize(
    "host", ["/run/postgresql", "localhost", "LocalHost", "127.0.0.1", "127.255.3.4", "::1", "::ffff:127.0.0.1"]
)
def test_sockets_and_loopback_addresses_are_this_machine(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host",
    [
        *("db.example.com", "10.0.0.1", "192.168.0.1", "fe80::1", "2001:db8::1", "0.0.0.0", "::", "::ffff:10.0.0.1"),
        *(
            "localhost.",
            "localhost.example.com",
            "db.localhost",
            "127.1",
            "128.0.0.1",
            "@socket",
            "",
            os.uname().nodename,
        ),
    ],
)
def test_all_else_is_another_machine_even_by_this_ones_names(host: str) -> None:
    assert not is_this_machine(host)


# ---- what is chosen


class Connects:
    """A stand-in for asyncpg.connect(), which keeps what it is asked for."""

    def __init__(self) -> None:
        self.options: list[dict[str, object]] = []

    async def __call__(self, *_: object, **options: object) -> object:
        self.options.append(options)
        raise ConnectionRefusedError("nothing there")


@pytest.fixture(name="connects")
def _connects(monkeypatch: pytest.MonkeyPatch) -> Connects:
    connects = Connects()
    monkeypatch.setattr(asyncpg, "connect", connects)
    return connects


def _service_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Write a service file, in which an address can name its host and sslmode too."""
    file = tmp_path / "services"
    file.write_text("\n".join(["[far]", "host=db.example.com", *lines]))
    monkeypatch.setenv("PGSERVICEFILE", str(file))


FAR = [
    ("postgresql://u:canary@db.example.com/n", {}),
    ("postgresql://u:canary@10.0.0.1:6432/n", {}),
    ("postgresql://u:canary@[2001:db8::1]/n", {}),
    ("postgresql://u:canary@one,two/n", {}),
    ("postgresql://u:canary@127.0.0.1,db.example.com/n", {}),
    ("postgresql://u:canary@%2Frun%2Fpostgresql,db.example.com/n", {}),
    ("postgresql://u:canary@/n?host=db.example.com", {}),
    ("postgresql://u:canary@/n?host=/run/postgresql,db.example.com", {}),
    ("postgresql://u:canary@/n", {"PGHOST": "db.example.com"}),
    ("postgresql://u:canary@/n", {"PGHOST": "localhost,db.example.com"}),
    ("postgresql://", {"PGHOST": "db.example.com"}),
    ("postgresql://u:canary@/n?service=far", {}),
]
"""Every way in which an address, with the environment, leads to another machine."""


def _with(dsn: str, parameters: str) -> str:
    return f"{dsn}{'&' if '?' in dsn else '?'}{parameters}"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize(("dsn", "variables"), FAR)
async def test_plain_text_to_another_machine_is_refused(
    dsn: str,
    variables: dict[str, str],
    mode: str,
    connects: Connects,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """However the host is named, and the mode: in the address, the environment or a service file; by pool and alone."""
    _service_file(tmp_path, monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EncryptionError, match=f"sslmode={mode} may send plain text") as refused:
        await connect(_with(dsn, f"sslmode={mode}"))
    monkeypatch.setenv("PGSSLMODE", mode)
    with pytest.raises(EncryptionError, match=f"sslmode={mode} may send plain text"):
        async with open_database(dsn, settings):
            pass
    allowed = Connector(dsn, plaintext=True)
    with pytest.raises(OSError, match="nothing there"):
        await allowed.connect()

    assert "DATABASE_PLAINTEXT=true" in str(refused.value)
    assert "canary" not in str(refused.value)
    assert {options["ssl"] for options in connects.options} == {mode}


async def test_plain_text_by_a_service_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _service_file(tmp_path, monkeypatch, "sslmode=disable")

    with pytest.raises(EncryptionError, match="sslmode=disable may send plain text"):
        await connect("postgresql://u@/n?service=far")


@pytest.mark.parametrize(("dsn", "variables"), FAR)
async def test_another_machine_is_verified_where_no_sslmode_is_given(
    dsn: str,
    variables: dict[str, str],
    connects: Connects,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    _service_file(tmp_path, monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EncryptionError, match="nothing says by which authority") as unverifiable:
        Connector(dsn)
    with pytest.raises(OSError, match="nothing there"):
        await Connector(_with(dsn, f"sslrootcert={authority.file}")).connect()

    assert "canary" not in str(unverifiable.value)
    for options in connects.options:
        context = options["ssl"]
        assert isinstance(context, ssl.SSLContext)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("dsn", "chosen"),
    [
        ("postgresql://u@localhost/n", "prefer"),
        ("postgresql://u@127.0.0.1,[::1]/n", "prefer"),
        ("postgresql://u@127.0.0.1/n?sslmode=disable", "disable"),
        ("postgresql://u@/n", "prefer"),
        ("postgresql://u@/n?host=/run/postgresql", False),
        ("postgresql://u@/n?host=/run/postgresql&sslmode=verify-full", False),
    ],
)
async def test_this_machine_is_reached_as_libpq_does(dsn: str, chosen: object, connects: Connects) -> None:
    with pytest.raises(OSError, match="nothing there"):
        await Connector(dsn).connect()

    assert {options["ssl"] for options in connects.options} == {chosen}


@pytest.mark.parametrize(
    ("mode", "verify", "named"),
    [
        ("require", ssl.CERT_NONE, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
async def test_stronger_modes_are_libpqs(
    mode: str, verify: int, *, named: bool, connects: Connects, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    if verify:
        monkeypatch.setenv("PGSSLROOTCERT", str(authority.file))
    with pytest.raises(OSError, match="nothing there"):
        await Connector(f"postgresql://u@db.example.com/n?sslmode={mode}").connect()

    context = connects.options[0]["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (verify, named)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("sslmode=sure", "sslmode is 'sure', but allowed are disable, allow, prefer, require, verify-ca, verify-full."),
        ("sslmode=parse", "sslmode is 'parse', but allowed are"),
        ("sslrootcert=/none", "sslrootcert names /none, which can't be read: No such file or directory."),
        ("sslrootcert=CA&sslcert=/none", "sslcert names /none, which can't be read: No such file or directory."),
        ("sslrootcert=CA&sslcert=CA&sslkey=/none", "sslkey names /none, which can't be read: No such file"),
        ("sslrootcert=CA&sslcrl=/none", "sslcrl names /none, which can't be read: No such file or directory."),
        ("sslrootcert=CA&sslcert=CA&sslkey=OTHER", "can't be used together: key values mismatch."),
        ("sslrootcert=OTHER", "can't be used together: no certificate or crl found."),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system takes sslmode=verify-full, not require"),
        ("sslrootcert=system&sslcert=/none", "sslcert names /none, which can't be read: No such file or directory."),
        ("sslrootcert=system&sslcrl=/none", "sslcrl names /none, which can't be read: No such file or directory."),
        ("sslrootcert=CA&ssl_min_protocol_version=TLSv9", "can't be followed: No such TLS version: TLSv9."),
    ],
)
async def test_parameters_that_can_not_be_followed_are_told_at_the_start(
    parameters: str, sentence: str, authority: Authority
) -> None:
    other = authority.issue("other").key
    parameters = parameters.replace("CA", str(authority.file)).replace("OTHER", str(other))

    with pytest.raises(EncryptionError) as refused:
        await connect(f"postgresql://u:canary@db.example.com/n?{parameters}")

    assert sentence in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
@pytest.mark.parametrize("mode", ["", "&sslmode=prefer", "&sslmode=require", "&sslmode=verify-full"])
async def test_pipes_and_devices_are_not_waited_for(name: str, mode: str, authority: Authority, tmp_path: Path) -> None:
    """OpenSSL opens files by itself, and the event loop would stand still until somebody writes to a pipe."""
    pipe, made = tmp_path / "pipe", authority.issue("client")
    os.mkfifo(pipe, 0o600)
    named = {"sslrootcert": authority.file, "sslcert": made.file, "sslkey": made.key, "sslcrl": authority.file}

    for odd in (pipe, Path("/dev/zero"), tmp_path):
        query = "&".join(f"{key}={value}" for key, value in {**named, name: odd}.items())
        with pytest.raises(EncryptionError) as refused:
            await connect(f"postgresql://u:canary@db.example.com/n?{query}{mode}")
        assert f"{name} names {odd}, which can't be read: it is no regular file." in str(refused.value)


async def test_file_that_becomes_a_pipe_fails_the_next_connection(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(authority.file.read_bytes())
    address = read_address(f"postgresql://u@db.example.com/n?sslrootcert={file}", {})
    encryption = Encryption(address, plaintext=False)
    file.unlink()
    os.mkfifo(file)

    with pytest.raises(TlsFailure, match="it is no regular file"):
        encryption.options()


async def test_file_of_certificates_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.touch()
    os.truncate(file, MAX_BYTES + 1)

    with pytest.raises(EncryptionError, match="it has more than 16,777,216 bytes"):
        await connect(f"postgresql://u@db.example.com/n?sslrootcert={file}")


async def test_an_encrypted_key_takes_its_password(authority: Authority, connects: Connects, tmp_path: Path) -> None:
    client, key = authority.issue("client"), tmp_path / "encrypted.key"
    command = ["openssl", "pkcs8", "-topk8", "-in", str(client.key), "-out", str(key), "-passout", "pass:canary"]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    dsn = f"postgresql://u@db.example.com/n?sslrootcert={authority.file}&sslcert={client.file}&sslkey={key}"

    with pytest.raises(EncryptionError, match=r"an encrypted key that takes sslpassword to open\.$"):
        Connector(dsn)
    with pytest.raises(EncryptionError, match=r"an encrypted key that sslpassword does not open\.$") as refused:
        Connector(f"{dsn}&sslpassword=canaries")
    with pytest.raises(OSError, match="nothing there"):
        await Connector(f"{dsn}&sslpassword=canary").connect()

    assert "canar" not in str(refused.value)
    assert len(connects.options) == 1


async def test_a_key_that_others_may_use_is_refused(authority: Authority, tmp_path: Path) -> None:
    """Whether it is named, or found where libpq looks for one; and without a certificate, it is not used."""
    client, own = authority.issue("careless"), tmp_path / ".postgresql"
    dsn = f"postgresql://u@db.example.com/n?sslrootcert={authority.file}"
    own.mkdir()
    (own / "postgresql.key").write_bytes(client.key.read_bytes())
    (own / "postgresql.key").chmod(0o644)
    Connector(dsn)
    (own / "postgresql.crt").write_bytes(client.file.read_bytes())
    with pytest.raises(EncryptionError, match=r"postgresql\.key, which others may use: let its owner alone do so"):
        Connector(dsn)

    named = f"{dsn}&sslcert={client.file}&sslkey={client.key}"
    of_root = client.key.stat().st_uid == 0
    for mode, fits in (
        (0o644, False),
        (0o604, False),
        (0o660, False),
        (0o640, of_root),
        (0o440, of_root),
        (0o400, True),
    ):
        client.key.chmod(mode)
        if fits:
            Connector(named)
        else:
            with pytest.raises(EncryptionError, match=rf"sslkey names {client.key}, which others may use"):
                Connector(named)


async def test_keys_of_connections_are_written_nowhere(
    authority: Authority, connects: Connects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    for parameters in (f"sslrootcert={authority.file}", "sslrootcert=system", "sslmode=require"):
        with pytest.raises(OSError, match="nothing there"):
            await Connector(f"postgresql://u@db.example.com/n?{parameters}").connect()

    for options in connects.options:
        context = options["ssl"]
        assert isinstance(context, ssl.SSLContext)
        assert context.keylog_filename is None


@pytest.mark.parametrize("mode", ["", "&sslmode=require", "&sslmode=verify-ca", "&sslmode=verify-full"])
async def test_channel_binding_that_is_demanded_is_kept_by_verifying_the_server(
    mode: str, connects: Connects, authority: Authority
) -> None:
    """By the authority that is named, or those that this machine trusts."""
    for authorities in ("", f"&sslrootcert={authority.file}"):
        dsn = f"postgresql://u@db.example.com/n?channel_binding=require{mode}{authorities}"
        with pytest.raises(OSError, match="nothing there"):
            await Connector(dsn, plaintext=True).connect()

    for options in connects.options:
        context = options["ssl"]
        assert isinstance(context, ssl.SSLContext)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_channel_binding_without_tls_is_refused(mode: str) -> None:
    with pytest.raises(EncryptionError, match=f"channel_binding=require takes sslmode=verify-full, not {mode}"):
        Connector(f"postgresql://u@db.example.com/n?channel_binding=require&sslmode={mode}", plaintext=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "%2Frun%2Fpostgresql"])
def test_channel_binding_within_this_machine_needs_nothing(host: str) -> None:
    Connector(f"postgresql://u@{host}/n?channel_binding=require")


def test_direct_negotiation_takes_a_mode_without_plain_text(authority: Authority) -> None:
    for host in ("127.0.0.1", "db.example.com"):
        with pytest.raises(EncryptionError, match="sslnegotiation=direct takes sslmode=require or a stronger one"):
            Connector(f"postgresql://u@{host}/n?sslnegotiation=direct&sslmode=prefer", plaintext=True)
    Connector(f"postgresql://u@db.example.com/n?sslnegotiation=direct&sslrootcert={authority.file}")
    Connector("postgresql://u@%2Frun%2Fpostgresql/n?sslnegotiation=direct")


async def test_a_file_that_was_replaced_is_read_anew_and_only_then(
    connects: Connects, authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "authority.crt"
    file.write_bytes(authority.file.read_bytes())
    connector = Connector(f"postgresql://u@db.example.com/n?sslrootcert={file}")

    async def context() -> object:
        connector._failure = None  # no backoff
        with pytest.raises(OSError, match="nothing there"):
            await connector.connect()
        return connects.options[-1]["ssl"]

    first, second = await context(), await context()
    replaced = tmp_path / "new"
    replaced.write_bytes(Authority(tmp_path / "another").file.read_bytes())
    replaced.rename(file)
    third = await context()
    file.unlink()
    connector._failure = None
    with pytest.raises(TlsFailure, match=r"sslrootcert names .*, which can't be read"):
        await connector.connect()

    assert (first is second, second is third) == (True, False)


# ---- servers that are not what they should be


@asynccontextmanager
async def pretending(context: ssl.SSLContext | bytes | None) -> AsyncIterator[tuple[int, bytearray]]:
    """Answer PostgreSQL's request for TLS, by a handshake, by bytes, or by refusing it; collect what comes after it."""
    came, tasks = bytearray(), set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
            writer.write(b"S" if context else b"N")
            if isinstance(context, ssl.SSLContext):
                await writer.start_tls(context)
            elif context:
                await reader.read(1000)  # what begins the client's handshake
                writer.write(context)
            came.extend(await reader.read(1000))
        except OSError:
            pass  # the client ended it
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], came
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
    finally:
        server.close()


def _context(authority: Authority, name: str, days: int = 1) -> ssl.SSLContext:
    certificate = authority.issue(name, days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    return context


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("name", "its certificate is for another name than DATABASE_URL has: Hostname mismatch"),
        ("authority", "no authority of sslrootcert has signed its certificate: unable to get local issuer certificate"),
        ("time", "its certificate has expired"),
        ("plain", "it has no TLS, which sslmode demands: switch it on there"),
    ],
)
async def test_a_server_that_is_not_verified_learns_nothing(
    case: str, reason: str, authority: Authority, settings: Settings, tmp_path: Path
) -> None:
    contexts: dict[str, Callable[[], ssl.SSLContext | None]] = {
        "name": lambda: _context(authority, "other.example.com"),
        "authority": lambda: _context(Authority(tmp_path / "other"), ELSEWHERE),
        "time": lambda: _context(authority, ELSEWHERE, days=-1),
        "plain": lambda: None,
    }
    async with pretending(contexts[case]()) as (port, came):
        host = f"{ELSEWHERE}:{port}"
        dsn = f"postgresql://canary:secret@{host}/canary?sslrootcert={authority.file}"
        with pytest.raises(StartupError) as alone:
            await connect(dsn)
        with pytest.raises(NoServer) as several:
            await Connector(dsn.replace(host, f"{host},{host}")).connect()
        async with open_database(dsn, settings) as database:
            with pytest.raises(Unavailable) as pooled:
                async with database.connection():
                    pass

    assert str(alone.value).startswith(f"The database {host}/canary can't be reached: {reason}")
    assert str(several.value).count(f"{host}: {reason}") == 2
    assert str(pooled.value.__cause__).startswith(reason)
    assert b"canary" not in came


async def test_require_takes_any_certificate_but_no_plain_text(authority: Authority, tmp_path: Path) -> None:
    async with pretending(_context(Authority(tmp_path / "other"), "other.example.com")) as (port, came):
        with pytest.raises(StartupError):
            await connect(f"postgresql://canary@{ELSEWHERE}:{port}/n?sslmode=require")
    async with pretending(None) as (port, plain):
        with pytest.raises(StartupError, match="it has no TLS, which sslmode demands"):
            await connect(f"postgresql://canary@{ELSEWHERE}:{port}/n?sslmode=require")

    assert b"canary" in came
    assert b"canary" not in plain


def test_the_reason_is_the_same_in_the_event_loop_that_serves(authority: Authority) -> None:
    async def attempt() -> str:
        async with pretending(_context(authority, "other.example.com")) as (port, _):
            with pytest.raises(TlsFailure) as refused:
                await Connector(f"postgresql://u@{ELSEWHERE}:{port}/n?sslrootcert={authority.file}").connect()
            return str(refused.value)

    assert uvloop.run(attempt()).startswith("its certificate is for another name than DATABASE_URL has")


async def test_other_failures_of_tls_are_told_in_words(authority: Authority) -> None:
    async with pretending(b"no TLS, whatever it said") as (port, _):
        with pytest.raises(StartupError, match="can't be reached: TLS failed: wrong version number"):
            await connect(f"postgresql://u@{ELSEWHERE}:{port}/n?sslrootcert={authority.file}")


# ---- a real server


@pytest.mark.parametrize("parameters", ["", "&sslmode=verify-full", "&sslmode=verify-ca", "&sslmode=require"])
async def test_a_verified_server_is_connected_to(tls_postgres: TlsServer, parameters: str) -> None:
    connection = await connect(tls_postgres.dsn(sslrootcert=tls_postgres.authority.file) + parameters)

    assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    await connection.close()


async def test_parameters_of_the_environment_hold(tls_postgres: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tls_postgres.authority.issue("client")
    for name, value in (("ROOTCERT", tls_postgres.authority.file), ("CERT", client.file), ("KEY", client.key)):
        monkeypatch.setenv(f"PGSSL{name}", str(value))
    connection = await connect(tls_postgres.dsn(database="template1"))

    assert await connection.fetchval("SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "/CN=test"
    await connection.close()


async def test_authorities_of_the_system_and_a_client_certificate(
    tls_postgres: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE is OpenSSL's own variable for the file of the system's authorities."""
    client = tls_postgres.authority.issue("client")
    dsn = tls_postgres.dsn(database="template1", sslrootcert="system", sslcert=client.file, sslkey=client.key)
    with pytest.raises(StartupError, match="no authority of sslrootcert has signed its certificate"):
        await connect(dsn)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_postgres.authority.file))
    connection = await connect(dsn)

    assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    await connection.close()


async def test_plain_text_where_it_is_allowed(tls_postgres: TlsServer, settings: Settings) -> None:
    async with (
        open_database(
            tls_postgres.dsn(database="postgres", sslmode="disable"), replace(settings, database_plaintext=True)
        ) as database,
        database.connection() as connection,
    ):
        (encrypted,) = await connection.fetch_one("test", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

    assert encrypted is False
