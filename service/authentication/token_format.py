"""The form of bearer tokens, by which scanners tell a leaked one without asking the service; see SECURITY.md."""

import secrets
import string
from typing import Final
from zlib import crc32

_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase


def new_token() -> str:
    """Make a token: a prefix, 256 random bits, and a checksum. Those made before there was one are good without."""
    body = "fp_" + secrets.token_hex(32)
    return body + checksum(body)


def checksum(body: str) -> str:
    """Return the CRC-32 of a text in base 62, of six digits, the highest first."""
    value, digits = crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
