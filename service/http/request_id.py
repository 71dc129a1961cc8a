"""The id of a request: the caller's own where it is well-formed, else a new one."""

import re
from collections.abc import Mapping
from random import Random
from typing import Final

from multidict import istr

X_REQUEST_ID: Final = istr("X-Request-Id")

_WELL_FORMED: Final = re.compile(r"(?!.*(?:fp_|eyJ)[\w.-]{8})[A-Za-z0-9_.:=+/-]{1,128}", re.ASCII)
"""The form of ids, which log lines and the audit trail have: none that a client has put a token into."""
_random: Final = Random()  # noqa: S311 - seeded by the system; ids are unique, and no secret


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the id in a request's headers if it is well-formed, else a new one."""
    request_id = headers.get(X_REQUEST_ID)
    return request_id if request_id is not None and _WELL_FORMED.fullmatch(request_id) else new_request_id()


def new_request_id() -> str:
    """Return an id that no other request has: 128 random bits in hexadecimal."""
    return f"{_random.getrandbits(128):032x}"
