"""The rule of ids that the service draws: UUIDs, in their one canonical form, in upper or lower case.

Libraries understand others, too, in braces, without dashes or as a URN, and each of them some; what is compared, logged
or put into an address has one form. The ids of jobs are their clients' own: names.py.
"""

import re
from typing import Final
from uuid import UUID

from asyncpg.pgproto import pgproto

UUID_TEXT: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def parse_uuid(text: str) -> UUID | None:
    """Parse a UUID; return None if the text is none."""
    # asyncpg's, which is one: it is made and written in a tenth of the time.
    return pgproto.UUID(text) if UUID_TEXT.fullmatch(text) else None


NO_ID: Final = UUID(int=0)
"""An id that nothing has."""
