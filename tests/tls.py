"""Certificates made by the machine's openssl, and a PostgreSQL that has TLS, which the embedded one lacks.

Nothing here needs a network: names such as 127.7.300, an old way to write 127.7.1.44, lead to this machine, and yet are
none of the addresses that the service takes for its own.
"""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.embedded.cluster import DATABASE, SERVICE_ROLE
from service.embedded.files import make_data_directory
from service.embedded.programs import Programs, find_programs
from service.embedded.server import Server

NO_OPENSSL: Final = "openssl is not installed, so no certificate can be made"
NO_POSTGRESQL: Final = "no PostgreSQL with TLS is installed, such as Debian's postgresql-15"
ELSEWHERE: Final = "127.1"
"""A name that leads to 127.0.0.1."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key."""

    file: Path
    key: Path


class Authority:
    """An authority that signs certificates."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self.file = directory / "authority.crt"
        self._key = directory / "authority.key"
        _openssl("req", "-x509", *_new_key(self._key), "-out", str(self.file), "-subj", "/CN=Test", "-days", "1")

    def issue(self, name: str, days: int = 1) -> Certificate:
        """Make a certificate for a name; -1 days: it expired yesterday."""
        issued = Certificate(self._directory / f"{name}{days}.crt", self._directory / f"{name}{days}.key")
        request, extension = self._directory / "request", self._directory / "extension"
        extension.write_text(f"subjectAltName = DNS:{name}\n")
        _openssl("req", *_new_key(issued.key), "-out", str(request), "-subj", "/CN=test")
        signed_by = ("-CA", str(self.file), "-CAkey", str(self._key), "-CAcreateserial", "-extfile", str(extension))
        _openssl("x509", "-req", "-in", str(request), *signed_by, "-days", str(days), "-out", str(issued.file))
        issued.key.chmod(0o600)
        return issued


def has_openssl() -> bool:
    return shutil.which("openssl") is not None


def _new_key(key: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class TlsServer:
    """A PostgreSQL that takes TCP connections with TLS alone, and to the database `postgres` without TLS alone."""

    host: str
    authority: Authority
    owner: str
    """The address of its socket, by the superuser."""

    def dsn(self, role: str = "postgres", database: str = DATABASE, **parameters: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{role}@{self.host}/{database}?{query}"


_ACCESS: Final = """
local     all       all               trust
hostnossl postgres  all  127.0.0.0/8  trust
hostssl   template1 all  127.0.0.0/8  trust clientcert=verify-ca
hostssl   all       all  127.0.0.0/8  trust
"""


def programs_with_tls() -> Programs | None:
    """Return the programs of a PostgreSQL of the system, which has TLS where a distribution has built it."""
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        found = subprocess.run([directory / "pg_config", "--configure"], capture_output=True, text=True, check=False)
        if "openssl" in found.stdout:
            return Programs(directory, int(directory.parent.name), find_programs().prefix)
    return None


@contextmanager
def tls_server(directory: Path, programs: Programs) -> Iterator[TlsServer]:
    """Run one on a loopback address of its own. Clients need a certificate for the database template1 alone."""
    # 127.X.Y, with Y above 255, is short for the address 127.X.(Y / 256).(Y % 256).
    second, rest = 1 + secrets.randbelow(254), 256 + secrets.randbelow(65_000)
    name, address = f"127.{second}.{rest}", f"127.{second}.{rest // 256}.{rest % 256}"
    make_data_directory(directory, programs.owner)
    authority = Authority(directory / "authority")
    certificate, access = authority.issue(name), directory / "pg_hba.conf"
    access.write_text(_ACCESS)
    settings = {
        "listen_addresses": address,
        "hba_file": access,
        "ssl": "on",
        "ssl_cert_file": certificate.file,
        "ssl_key_file": certificate.key,
        "ssl_ca_file": authority.file,
        "fsync": "off",
    }
    options = [word for setting, value in settings.items() for word in ("-c", f"{setting}={value}")]
    server = Server(programs, directory, options, DATABASE, SERVICE_ROLE)
    process = server.start()
    try:
        yield TlsServer(name, authority, server.dsn)
    finally:
        server.end(process)
