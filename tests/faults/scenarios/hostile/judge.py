"""What every answer must be, whatever was asked."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import orjson

from tests.faults.harness.raw_http import Answer

TOKEN: Final = re.compile(rb"fp_[0-9a-f]{64}|fp_[0-9A-Za-z_-]{40,}")
"""Anything that could be a bearer token."""
EXAMPLE: Final = b"fp_" + b"0" * 64
"""The documentation's."""
INSIDES: Final = re.compile(
    rb'Traceback|File "|\.py\b|asyncpg|aiohttp|marshmallow|orjson|\bSELECT\b|\bINSERT INTO\b|SQLSTATE|Exception\('
)
"""What only the inside of the service has."""
FAILURE: Final = {"status", "msg", "code", "request_id"}


@dataclass
class Judge:
    """Holds answers against what is promised of all."""

    secrets: Collection[bytes]
    """What no answer may hold."""
    made: set[bytes] = field(default_factory=set)
    """The tokens that answers gave, each of which may be in that answer only."""

    def faults(self, answer: Answer, request_id: str | None = None) -> list[str]:
        """What is wrong with an answer, each as a sentence; `request_id` is what it must bear, if that is known."""
        found = [f"{answer.status}"] if answer.status >= 500 else []
        found += [f"the secret {secret[:12]!r}... is in it" for secret in self.secrets if secret in answer.raw]
        if inside := INSIDES.search(answer.raw) if answer.status >= 400 else None:
            found.append(f"it tells of the inside: {inside[0]!r}")
        found += self._tokens(answer)
        if answer.headers.get("server") != "flow-pipelines":
            found.append(f"Server is {answer.headers.get('server')}")
        there = answer.headers.get("x-request-id")
        if not there or (request_id and there != request_id):
            found.append(f"X-Request-Id is {there}, not {request_id}")
        if answer.status >= 400 and answer.body:
            found += _shape(answer, there)
        return found

    def _tokens(self, answer: Answer) -> list[str]:
        """New tokens may be given, once; none that was seen before."""
        tokens = set(TOKEN.findall(answer.raw)) - {EXAMPLE}
        if not tokens:
            return []
        if answer.status == 201 and len(tokens) == 1 and not tokens & self.made:
            self.made |= tokens
            return []
        return ["a token is in it"]


def _shape(answer: Answer, request_id: str | None) -> list[str]:
    """What is wrong with the body of a failure."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return [f"its body is no JSON: {answer.body[:200]!r}"]
    if not isinstance(body, dict) or body.keys() - {"details"} != FAILURE or body["status"] != "ERROR":
        return [f"its body has not the shape of failures: {answer.body[:200]!r}"]
    return [] if body["request_id"] == request_id else [f"its body has the request id {body['request_id']}"]
