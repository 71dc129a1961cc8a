"""The rules of names and ids, which schemas and imports share, and the database's constraints repeat."""

import re
import unicodedata
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,100}")
"""A name of a user or a group."""

JOB_ID: Final = re.compile(r"(?!pipelines\Z)[A-Za-z0-9_.:-]{1,128}")
"""An id of a job: opaque, and compared as it is. The one word left out would be an address of the API."""

PIPELINE_NAME_LENGTH: Final = 255
"""The most characters of a pipeline's name."""


def is_pipeline_name(name: str) -> bool:
    """Return whether a trimmed name may be a pipeline's: 1 to 255 characters, none of them a control character."""
    return 1 <= len(name) <= PIPELINE_NAME_LENGTH and not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def name_key(name: str) -> str:
    """Return the key that names have in common which differ in case or in Unicode's compatibility forms alone."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
