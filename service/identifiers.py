"""What names and ids may look like: the rules that schemas and imports share, and the database's constraints repeat."""

import re
import unicodedata
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,100}")
"""Of users and groups."""

JOB_ID: Final = re.compile(r"(?!pipelines\Z)[A-Za-z0-9_.:-]{1,128}")
"""Opaque, and compared as it is; the one word would be an address of the API."""

PIPELINE_NAME_LENGTH: Final = 255


def is_pipeline_name(name: str) -> bool:
    """Whether a name, already trimmed, may be a pipeline's: 1 to 255 characters, none of them a control character."""
    return 1 <= len(name) <= PIPELINE_NAME_LENGTH and not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def name_key(name: str) -> str:
    """What two names share that differ in case alone (Unicode's compatibility forms are folded too)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
