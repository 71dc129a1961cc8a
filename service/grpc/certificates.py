"""The certificate of the gRPC port: read again when its files have changed, so that it rotates without a restart."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import grpc
import structlog

from service.errors import StartupError
from service.values.regular_files import read_regular

log = structlog.get_logger()

MAX_BYTES: Final = 2**20
"""Bytes of a certificate with those between it and its authority, and of a key."""


class Certificates:
    """A certificate and its key, in two files of PEM."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both.

        Raises:
            StartupError: they can't be read, or do not fit together.
        """
        self._files = certificate, key
        self._loop = asyncio.get_running_loop()
        try:
            self._seen = self._stamp()
            self._current = self._read()
        except (OSError, ssl.SSLError) as error:
            raise StartupError(
                f"GRPC_TLS_CERT and GRPC_TLS_KEY ({certificate}, {key}) can't be used: {error.strerror or error}."
                " Name a certificate, with those between it and its authority, and its key without a password, both as"
                " PEM."
            ) from error

    def credentials(self) -> grpc.ServerCredentials:
        """Return what the port is made with; it asks for the certificate at each handshake."""
        return grpc.dynamic_ssl_server_credentials(self._current, self._fetch)

    def _fetch(self) -> grpc.ServerCertificateConfiguration:
        """Return the certificate as it is now; the former one while the new can't be used.

        It runs in a thread of gRPC's.
        """
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._current = self._read()
                self._log(log.info, "certificate_rotated")
        except (OSError, ssl.SSLError) as error:
            self._log(log.warning, "certificate_unusable", error=str(error))
        return self._current

    def _log(self, write: Callable[..., object], event: str, **fields: str) -> None:
        write = partial(write, event, certificate=str(self._files[0]), **fields)
        self._loop.call_soon_threadsafe(write)

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        stats = (path.stat() for path in self._files)
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in stats)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        certificate, key = self._files
        contents = read_regular(key, MAX_BYTES), read_regular(certificate, MAX_BYTES)
        # They fit together. A key that takes a password is refused, which OpenSSL would else ask a terminal for.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
        return grpc.ssl_server_certificate_configuration([contents])
