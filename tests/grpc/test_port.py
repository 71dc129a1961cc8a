"""The gRPC port: its certificate, what stands in its way, and that nothing of it is there where it is not asked for."""

import asyncio
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from service.database.pool import Database
from service.errors import StartupError
from service.grpc.server import GrpcServer
from service.health import Health
from service.process import _listen_grpc
from service.settings import Settings, WrongSettings, read_settings
from tests.conftest import Client
from tests.grpc.calling import Rpcs
from tests.grpc.conftest import Start, parts_of
from tests.process.running import ROOT
from tests.tls import NO_OPENSSL, Authority, Certificate, has_openssl

needs_openssl = pytest.mark.skipif(not has_openssl(), reason=NO_OPENSSL)


@pytest.fixture(name="authority")
def _authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def put(certificate: Certificate, directory: Path) -> None:
    """Put a certificate where the service looks for it, as an operator does: each file at once."""
    for path, name in ((certificate.file, "tls.crt"), (certificate.key, "tls.key")):
        shutil.copyfile(path, directory / f"{name}.new")
        (directory / f"{name}.new").replace(directory / name)


async def code_of(address: str, authority: Authority) -> str:
    """Return the code of a call through a new connection that believes an authority."""
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes())
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        return (await Rpcs(channel)("GetMe", within=5)).code


@needs_openssl
async def test_certificate_rotates_without_a_restart(start: Start, authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    put(authority.issue("localhost"), tmp_path)
    served = await start(grpc_tls_cert=tmp_path / "tls.crt", grpc_tls_key=tmp_path / "tls.key")
    address = served.server.address.removeprefix("grpcs://")

    first = await code_of(address, authority)
    with capture_logs() as lines:
        put(other.issue("localhost"), tmp_path)
        rotated = await code_of(address, other)
        (tmp_path / "tls.crt").write_text("nothing")
        broken = await code_of(address, other)
        await asyncio.sleep(0.01)

    assert (first, rotated, broken) == ("UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED")
    assert await code_of(address, authority) == "UNAVAILABLE"
    assert [line["event"] for line in lines if "certificate" in line["event"]] == [
        "certificate_rotated",
        "certificate_unusable",
    ]


@needs_openssl
async def test_certificate_that_does_not_fit_its_key_is_reported(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    one, two = authority.issue("localhost"), authority.issue("elsewhere")

    with pytest.raises(StartupError, match=r"GRPC_TLS_CERT and GRPC_TLS_KEY .* can't be used"):
        await start(grpc_tls_cert=one.file, grpc_tls_key=two.key)
    with pytest.raises(StartupError, match="No such file"):
        await start(grpc_tls_cert=tmp_path / "gone", grpc_tls_key=one.key)


@needs_openssl
async def test_port_waits_for_no_pipe_and_asks_for_no_password(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    """A key's password would be asked for at the terminal."""
    made, pipe, locked = authority.issue("localhost"), tmp_path / "pipe", tmp_path / "locked.key"
    os.mkfifo(pipe)
    command = ("openssl", "pkey", "-in", made.key, "-aes256", "-passout", "pass:x", "-out", locked)
    subprocess.run(command, check=True, capture_output=True)  # noqa: ASYNC221 - it takes milliseconds

    for certificate, key in ((pipe, made.key), (made.file, pipe), (Path("/dev/zero"), made.key)):
        with pytest.raises(StartupError, match="can't be used: it is no regular file"):
            await start(grpc_tls_cert=certificate, grpc_tls_key=key)
    with pytest.raises(StartupError, match="its key without a password"):
        await start(grpc_tls_cert=made.file, grpc_tls_key=locked)


@needs_openssl
async def test_certificate_that_becomes_a_pipe_keeps_the_former(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    put(authority.issue("localhost"), tmp_path)
    served = await start(grpc_tls_cert=tmp_path / "tls.crt", grpc_tls_key=tmp_path / "tls.key")
    (tmp_path / "tls.crt").unlink()
    os.mkfifo(tmp_path / "tls.crt")

    assert await code_of(served.server.address.removeprefix("grpcs://"), authority) == "UNAUTHENTICATED"


async def test_taken_port_is_reported(server: GrpcServer, http: Client, settings: Settings, database: Database) -> None:
    port = int(server.address.rpartition(":")[2])
    second = GrpcServer(replace(settings, grpc_port=port), parts_of(http), Health(database, 1))

    with pytest.raises(StartupError, match=f"127.0.0.1:{port} can't be listened on for gRPC: set GRPC_PORT"):
        await second.start()


@pytest.fixture(name="variables")
def _variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("GRPC_PORT", "GRPC_TLS_CERT", "GRPC_TLS_KEY", "HTTP_PORT", "OPS_PORT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_port_is_off_unless_set(variables: pytest.MonkeyPatch) -> None:
    assert read_settings().grpc_port is None
    variables.setenv("GRPC_PORT", "0")
    assert read_settings().grpc_port == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"GRPC_PORT": "x"}, "GRPC_PORT is 'x', but must be a whole number from 0 to 65535."),
        ({"GRPC_PORT": "8080"}, "GRPC_PORT and HTTP_PORT are both 8080, but must be two ports."),
        ({"GRPC_PORT": "8081"}, "GRPC_PORT and OPS_PORT are both 8081, but must be two ports."),
        ({"GRPC_TLS_CERT": "a"}, "GRPC_TLS_CERT is set, but GRPC_TLS_KEY is not: set both, or neither."),
        ({"GRPC_TLS_KEY": "a"}, "GRPC_TLS_KEY is set, but GRPC_TLS_CERT is not: set both, or neither."),
    ],
)
def test_wrong_settings_of_the_port_are_told(
    variables: pytest.MonkeyPatch, given: dict[str, str], sentence: str
) -> None:
    for name, value in given.items():
        variables.setenv(name, value)

    with pytest.raises(WrongSettings) as refused:
        read_settings()
    assert str(refused.value) == sentence


# ---- without the extra

WITHOUT = """
import asyncio, importlib.util, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("google", "grpc_status", *("grpc", "grpc_health", "grpc_reflection")[:whole]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

whole = 3 if sys.argv[1] == "missing" else 0
if sys.argv[1] in ("missing", "partly"):
    sys.meta_path.insert(0, Missing())
if sys.argv[1] == "missing":
    found = importlib.util.find_spec
    importlib.util.find_spec = lambda name, package=None: None if name == "grpc" else found(name, package)
import service.__main__, service.app, service.process
from service.settings import read_settings
from tests.reference.metrics import _NoPool
from service.database.pool import Database
from service.health import Health
if sys.argv[1] in ("missing", "partly"):
    database = Database(_NoPool(), None)
    app = service.app.create_app(read_settings(), database, Health(database, 1.0))
    print(sorted(each.canonical for each in app.router.resources() if "flow_pipelines.v1" in each.canonical))
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("grpc", "google")))
print(sorted(name for name in sys.modules if name.startswith("service.grpc")))
"""


@pytest.mark.parametrize(("case", "printed"), [("installed", "[]\n[]\n"), ("missing", "[]\n[]\n[]\n")])
def test_importing_the_service_imports_no_grpc(case: str, printed: str) -> None:
    """And without the extra the application is whole, but for Connect."""
    command = [sys.executable, "-c", WITHOUT, case]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False)

    assert (done.stderr, done.stdout) == ("", printed)


def test_extra_that_is_not_whole_is_as_if_there_were_none() -> None:
    """Other packages need grpcio, too."""
    command = [sys.executable, "-c", WITHOUT, "partly"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False)

    assert (done.stderr, done.stdout.splitlines()[:1]) == ("", ["[]"])


async def test_port_without_the_extra_is_reported(
    http: Client, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "service.grpc.calls", None)

    with pytest.raises(StartupError, match=r"GRPC_PORT is set, but .* is not installed: pip install"):
        await _listen_grpc(asyncio.sleep, http.app, settings, Health(database, 1), None)  # type: ignore[arg-type] # unused
