"""What all request schemas share."""

from typing import Any, ClassVar

from marshmallow import RAISE, Schema, post_load


class RequestSchema(Schema):
    """A request: keys outside of it are refused, and it loads into a frozen dataclass.

    A field says by its metadata where a request carries it: {"in": "path"}, {"in": "query"}, else in the body.
    """

    class Meta:
        """Refuse what is not asked for: a misspelt filter must not answer everything."""

        unknown = RAISE

    loads_into: ClassVar[type]

    @post_load
    def _make(self, values: dict[str, Any], **_: object) -> Any:
        return self.loads_into(**values)
