"""The lock of field numbers: a field keeps the number that it once had, and a number is never given to another."""

import json
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "service/grpc/flow_pipelines/v1"
LOCK: Final = FOLDER / "numbers.json"


class Numbers:
    """Field numbers by message and field, as they are locked."""

    def __init__(self, locked: dict[str, dict[str, int]]) -> None:
        self._locked = {message: dict(fields) for message, fields in locked.items()}

    @classmethod
    def read(cls) -> "Numbers":
        return cls(json.loads(LOCK.read_text()) if LOCK.exists() else {})

    def of(self, message: str, field: str) -> int:
        """Return the number of a field: its own, or for a new one the next after all that the message ever had."""
        fields = self._locked.setdefault(message, {})
        return fields.setdefault(field, max(fields.values(), default=0) + 1)

    def gone(self, message: str, fields: set[str]) -> dict[str, int]:
        """Return the fields that a message once had, and their numbers, beside those that it has."""
        return {name: number for name, number in self._locked.get(message, {}).items() if name not in fields}

    def text(self) -> str:
        """Return the lock as its file has it."""
        return json.dumps(dict(sorted(self._locked.items())), indent=1) + "\n"
