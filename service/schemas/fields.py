"""Fields with the contract's own rules."""

import re
from typing import Any, Final
from uuid import UUID

from marshmallow import ValidationError, fields

from service.names import JOB_ID

IN_QUERY: Final = {"in": "query"}
IN_PATH: Final = {"in": "path"}

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class StrictUUID(fields.UUID):
    """A UUID in its one canonical form, in upper or lower case; not the other spellings that libraries understand."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> UUID:
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            raise self.make_error("invalid_uuid")
        return UUID(value)


class JobId(fields.String):
    """A job's id: opaque, compared as it is."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not JOB_ID.fullmatch(text):
            raise ValidationError('Must be 1 to 128 characters of A-Z a-z 0-9 _ . : - (but not "pipelines").')
        return text
