"""A checker of the invariants that hold for every response, whatever the request was."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import orjson

from tests.faults.harness.raw_http import Response

TOKEN: Final = re.compile(rb"fp_[0-9a-f]{64}|fp_[0-9A-Za-z_-]{40,}")
"""A pattern for everything that could be a bearer token."""
EXAMPLE_TOKEN: Final = b"fp_" + b"0" * 64
"""The token in the documentation's examples."""
INTERNALS: Final = re.compile(
    rb'Traceback|File "|\.py\b|asyncpg|aiohttp|marshmallow|orjson|\bSELECT\b|\bINSERT INTO\b|SQLSTATE|Exception\('
)
"""A pattern for internals of the service, which no error may disclose."""
ERROR_BODY_KEYS: Final = {"status", "msg", "code", "request_id"}


@dataclass
class ResponseChecker:
    """A checker of responses, which remembers the tokens that were issued."""

    secrets: Collection[bytes]
    """Secrets that no response may contain."""
    issued_tokens: set[bytes] = field(default_factory=set)
    """Tokens that were issued in a response, each of which may be in that response only."""

    def violations(self, response: Response, request_id: str | None = None) -> list[str]:
        """Return each violation in a response, as a sentence; `request_id` is the id that it must have, if known."""
        violations = [f"{response.status}"] if response.status >= 500 else []
        violations += [f"the secret {secret[:12]!r}... is in it" for secret in self.secrets if secret in response.raw]
        if internal := INTERNALS.search(response.raw) if response.status >= 400 else None:
            violations.append(f"it discloses internals: {internal[0]!r}")
        violations += self._token_violations(response)
        if response.headers.get("server") != "flow-pipelines":
            violations.append(f"Server is {response.headers.get('server')}")
        sent_id = response.headers.get("x-request-id")
        if not sent_id or (request_id and sent_id != request_id):
            violations.append(f"X-Request-Id is {sent_id}, not {request_id}")
        if response.status >= 400 and response.body:
            violations += _error_body_violations(response, sent_id)
        return violations

    def _token_violations(self, response: Response) -> list[str]:
        """Return a violation if the response has a token other than a newly issued one."""
        tokens = set(TOKEN.findall(response.raw)) - {EXAMPLE_TOKEN}
        if not tokens:
            return []
        if response.status == 201 and len(tokens) == 1 and not tokens & self.issued_tokens:
            self.issued_tokens |= tokens
            return []
        return ["a token is in it"]


def _error_body_violations(response: Response, request_id: str | None) -> list[str]:
    """Return each violation in the body of an error."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return [f"its body is no JSON: {response.body[:200]!r}"]
    if not isinstance(body, dict) or body.keys() - {"details"} != ERROR_BODY_KEYS or body["status"] != "ERROR":
        return [f"its body is no error body: {response.body[:200]!r}"]
    return [] if body["request_id"] == request_id else [f"its body has the request id {body['request_id']}"]
