"""What an operation is given beside its request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from service.authentication.bearer import Caller, Known
from service.batching.job_updates import JobUpdates
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database
from service.repositories.audit import Actor
from service.schemas.pages import Pages

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value]):
    """What is there now, after it was put there, and whether it was not before."""

    value: Value
    created: bool


def no_precondition(_: Any) -> None:
    """What a call expects that has no condition."""


class Unproved(Exception):
    """It takes more than a statement that proves who calls: ask who it is, and begin again. Nothing was done."""


class Shared(NamedTuple):
    """By what a call can share statements with those that wait at the same moment."""

    known: Known
    presumed: bool
    """Whether who calls is only known from before: no statement may be answered by that does not prove it itself."""
    pipeline_lists: PipelineListBatcher
    job_updates: JobUpdates


class Call(NamedTuple):
    """One call of an operation: who calls, the database to answer from, and what must still be so for it to go on."""

    caller: Caller
    actor: Actor
    """The caller, as the audit trail names them."""
    database: Database
    pages: Pages
    precondition: Callable[[Any], None] = no_precondition
    """Given what is there now, as the operation that reads it answers (None: nothing), before it is changed.

    Raises:
        PreconditionFailed: the caller has seen something else.
    """
    shared: Shared | None = None
    """None where there is nobody to share with: at the command line."""
