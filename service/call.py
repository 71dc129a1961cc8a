"""What an operation is given beside its request."""

from dataclasses import dataclass

from service.authentication import Caller
from service.database import Database
from service.repositories.audit import Actor


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: who calls, and the database to answer from."""

    caller: Caller
    database: Database
    request_id: str

    @property
    def actor(self) -> Actor:
        """The caller, as the audit trail names them."""
        return Actor(self.caller.username, self.caller.user_id, self.caller.token_id, self.request_id)
