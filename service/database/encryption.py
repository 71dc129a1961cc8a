"""Encryption of connections to PostgreSQL: by libpq's parameters, and no plain text to another machine unasked."""

import os
import ssl
import stat
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final

import asyncpg

from service.database.address import Address
from service.database.asyncpg_internals import Resolved, resolve
from service.errors import StartupError
from service.values.regular_files import check_regular, open_regular, read_regular

MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""The values of sslmode, weakest first; before "require", plain text may be sent."""

MAX_BYTES: Final = 16 * 2**20
"""Bytes of a file of certificates: of all authorities, or of all that one has revoked."""

_PLAINTEXT: Final = frozenset(MODES[: MODES.index("require")])
_VERIFIED: Final = "verify-full"
_SYSTEM: Final = "system"
"""The value of sslrootcert that stands, as since libpq 16, for the authorities that this machine trusts."""

_DEFAULT_FILES: Final = {
    "sslrootcert": "root.crt",
    "sslcert": "postgresql.crt",
    "sslkey": "postgresql.key",
    "sslcrl": "root.crl",
}
"""The names, in ~/.postgresql, of the files that hold where neither address nor variable names one."""

_NAME_MISMATCH: Final = frozenset({62, 64})
_EXPIRED: Final = 10
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's numbers of reasons for which a certificate is refused."""


class EncryptionError(StartupError):
    """An address that would lead to another machine unprotected, or that can't be followed as it demands."""


class TlsFailure(ConnectionError):
    """A server that can't be reached as safely as is demanded; the message says why."""


class Encryption:
    """A choice of how one process's connections to one address are encrypted.

    Without sslmode, another machine is reached by verify-full, and this one as libpq does by default.
    """

    def __init__(self, address: Address, *, plaintext: bool) -> None:
        """Choose, and read what files it takes.

        Args:
            address: names all hosts.
            plaintext: allow what may be plain text to another machine.

        Raises:
            EncryptionError: such is asked for and not allowed, or the files for TLS can't be used.
        """
        hosts = [host.name for host in address.hosts]
        self._dsn = address.dsn
        self._place = address.place
        self._parameters = address.parameters
        self._bound = self._parameters.get("channel_binding") == "require" and not all(map(is_this_machine, hosts))
        self._by_system = self._parameters.get("sslrootcert") == _SYSTEM or (self._bound and not self._names_authority)
        self._by_socket = bool(hosts) and all(host.startswith("/") for host in hosts)
        self._check_files()
        self._mode = "disable" if self._by_socket else self._choose_mode(hosts, plaintext=plaintext)
        self._stamps: tuple[object, ...] | None = None
        self._context: object = None
        self._renew_context()

    def options(self) -> dict[str, Any]:
        """Return options of asyncpg.connect() for the next connection.

        Files that were replaced since are read anew: certificates expire while a process lives.

        Raises:
            TlsFailure: they can't be used.
        """
        try:
            self._renew_context()
        except EncryptionError as error:
            raise TlsFailure(str(error)) from error
        if self._by_socket:  # to which libpq applies none of its parameters either
            return {"ssl": False, "direct_tls": False}
        return {"ssl": self._context or self._mode}

    def explain(self, error: OSError) -> TlsFailure | None:
        """Say in an operator's words why TLS did not come about; None for other errors."""
        failure = explain(error)
        if failure and self._bound and isinstance(error, ssl.SSLCertVerificationError):
            return TlsFailure(
                f"{failure} (channel_binding=require is kept by verifying that: name its authority by sslrootcert, or"
                " say channel_binding=prefer)"
            )
        return failure

    @property
    def _names_authority(self) -> bool:
        """True if there is a file of the authority that vouches for the server."""
        return bool(self._parameters.get("sslrootcert")) or _files(self._parameters)["sslrootcert"].exists()

    def _choose_mode(self, hosts: Sequence[str], *, plaintext: bool) -> str:
        given = self._parameters.get("sslmode")
        if given is not None and given not in MODES:
            raise EncryptionError(f"sslmode is {given!r}, but allowed are {', '.join(MODES)}.")
        unasked = given is None and not plaintext and not all(map(is_this_machine, hosts))
        if self._parameters.get("sslnegotiation") == "direct" and not unasked and (given or "prefer") in _PLAINTEXT:
            raise EncryptionError("sslnegotiation=direct takes sslmode=require or a stronger one.")
        if self._bound:
            if given in _PLAINTEXT:
                raise EncryptionError(
                    f"channel_binding=require takes sslmode=verify-full, not {given}: without TLS there is no channel"
                    " that the password could be bound to."
                )
            # Binding the password to the channel takes what asyncpg lacks; to verify whom the channel leads to is as
            # good against whatever is in between.
            return _VERIFIED
        if self._by_system:
            if given not in {None, _VERIFIED}:
                raise EncryptionError(
                    f"sslrootcert=system takes sslmode=verify-full, not {given}: anyone can have a certificate of a"
                    " public authority, for a name of their own."
                )
            return _VERIFIED
        mode = given or self._resolve(None).mode
        if mode not in _PLAINTEXT or plaintext or all(map(is_this_machine, hosts)):
            return mode
        if given is None and mode == "prefer":
            return _VERIFIED
        raise EncryptionError(
            f"The database{self._place} is on another machine, and sslmode={mode} may send plain text there: let"
            " DATABASE_URL say sslmode=verify-full, and by sslrootcert which authority vouches for the server; or set"
            " DATABASE_PLAINTEXT=true, if everything on the network between is trusted."
        )

    def _renew_context(self) -> None:
        """Make the TLS context, unless it was made of the files that are there now.

        Making it takes from half a millisecond to, with a system's hundred authorities, fifty.
        """
        self._check_files()
        if self._mode in _PLAINTEXT:
            return
        files = _files(self._parameters)
        _check_key(certificate=files["sslcert"], key=files["sslkey"])
        stamps = tuple(map(_stamp, files.values()))
        if stamps != self._stamps:
            self._context = self._make_context()
            self._stamps = stamps

    def _check_files(self) -> None:
        """Refuse files that OpenSSL would wait for, or read without end: it is called by the event loop.

        Raises:
            EncryptionError: there is one.
        """
        if self._by_socket:
            return
        for name, path in _files(self._parameters).items():
            try:
                found = path.stat()
            except OSError:
                continue  # which is told where it matters
            try:
                check_regular(found, MAX_BYTES)
            except OSError as error:
                if name != "sslrootcert" or not self._by_system:
                    raise EncryptionError(f"{name} names {path}, which can't be read: {error.strerror}.") from error

    def _make_context(self) -> ssl.SSLContext:
        if not self._by_system:
            return self._context_of(self._mode)
        context = self._context_of("prefer")  # with all but the authorities and what they revoked
        try:
            context.load_default_certs()
            context.check_hostname, context.verify_mode = True, ssl.CERT_REQUIRED
            if revoked := self._parameters.get("sslcrl"):
                context.load_verify_locations(cafile=revoked)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        except OSError as error:
            raise self._unusable(error) from error
        return context

    def _context_of(self, mode: str) -> ssl.SSLContext:
        context = self._resolve(mode).context
        if not isinstance(context, ssl.SSLContext):
            raise TypeError(f"sslmode={mode} has no TLS context")  # pragma: no cover - a change of asyncpg's
        # Which asyncpg takes from SSLKEYLOGFILE, and libpq does not.
        context.keylog_filename = None  # type: ignore[assignment] # not in the stubs
        return context

    def _resolve(self, mode: str | None) -> Resolved:
        try:
            return resolve(self._dsn, mode)
        except (OSError, asyncpg.ClientConfigurationError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> EncryptionError:
        """Say what can't be used, and which file of several."""
        for name in _DEFAULT_FILES:
            path = self._parameters.get(name)
            if path and not (name == "sslrootcert" and self._by_system) and (reason := _unreadable(path)):
                return EncryptionError(f"{name} names {path}, which can't be read: {reason}.")
        key = self._parameters.get("sslkey") or self._parameters.get("sslcert")
        if isinstance(error, ssl.SSLError) and key and _is_encrypted(key):
            lacking = "sslpassword does not open" if "sslpassword" in self._parameters else "takes sslpassword to open"
            return EncryptionError(f"sslkey names {key}, an encrypted key that {lacking}.")
        if isinstance(error, ssl.SSLError):
            return EncryptionError(
                f"The files that sslrootcert, sslcert, sslkey and sslcrl name can't be used together: {_said(error)}."
            )
        if "root certificate" in str(error):
            return EncryptionError(
                f"The database{self._place} is to be verified (sslmode=verify-full, which holds for other machines"
                " where none is given), but nothing says by which authority: let DATABASE_URL name the file of its"
                " certificate by sslrootcert, or say sslrootcert=system for those that this machine trusts; or set"
                " DATABASE_PLAINTEXT=true, if everything on the network between is trusted."
            )
        return EncryptionError(f"The parameters of TLS can't be followed: {error}.")


def is_this_machine(host: str) -> bool:
    """Return whether a host can be no other machine than this one: a socket's directory, or a loopback address.

    Other names and addresses of this machine don't count: what they lead to can change.
    """
    if host.startswith("/") or host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def explain(error: OSError) -> TlsFailure | None:
    """Say in an operator's words why TLS did not come about; None for other errors."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _NAME_MISMATCH:
            return TlsFailure(f"its certificate is for another name than DATABASE_URL has: {error.verify_message}")
        if error.verify_code == _EXPIRED:
            return TlsFailure("its certificate has expired")
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return TlsFailure(f"no authority of sslrootcert has signed its certificate: {error.verify_message}")
        return TlsFailure(f"its certificate is not valid: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return TlsFailure(f"TLS failed: {_said(error)}")
    if "rejected SSL upgrade" in str(error):
        return TlsFailure("it has no TLS, which sslmode demands: switch it on there (ssl = on in postgresql.conf)")
    return None


def _files(parameters: Mapping[str, str]) -> dict[str, Path]:
    directory = Path(os.path.expanduser("~/.postgresql"))  # noqa: PTH111 - Path.expanduser() fails without a home
    return {name: Path(parameters.get(name) or directory / default) for name, default in _DEFAULT_FILES.items()}


def _check_key(certificate: Path, key: Path) -> None:
    """Check that nobody but its owner, or a group of root's, may read a key that is used, as libpq does.

    Raises:
        EncryptionError: others may.
    """
    try:
        certificate.stat()
        found = key.stat()
    except OSError:
        return  # which is told where it matters, as it can't be used then
    others = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO if found.st_uid == 0 else stat.S_IRWXG | stat.S_IRWXO
    if found.st_mode & others:
        raise EncryptionError(
            f"sslkey names {key}, which others may use: let its owner alone do so (0600), or root and a group (0640)."
        )


def _stamp(path: Path) -> object:
    """Return what changes when a file is replaced or written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _unreadable(path: str) -> str | None:
    try:
        open_regular(Path(path)).close()
    except OSError as error:
        return error.strerror
    return None


def _is_encrypted(path: str) -> bool:
    try:
        return b"ENCRYPTED" in read_regular(Path(path), MAX_BYTES)
    except OSError:
        return False


def _said(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason in lower-case words, such as "key values mismatch"."""
    return (error.reason or str(error)).replace("_", " ").lower()
