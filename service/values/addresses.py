"""Patterns of addresses: of a host with its port, and of the path at which a proxy serves the service."""

from typing import Final

AUTHORITY: Final = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
"""The pattern of a host, and a port if it has one."""
PATH_PREFIX: Final = r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]{1,100}){0,8}"
"""The pattern of what a proxy puts before paths: nothing in it means anything to a browser, in HTML or in a header."""
