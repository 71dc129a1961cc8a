"""HTTP request → the arguments of an operation: path, query and body merged, and every malformed one refused."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import isinf
from typing import Any, Final, NoReturn
from urllib.parse import unquote_to_bytes

from aiohttp import web
from marshmallow import ValidationError

from service.errors import InvalidArgument
from service.http.bodies import BodyBudget
from service.http.routes import Place, Route
from service.schemas.fields import WrittenAsText
from service.schemas.messages import flatten
from service.schemas.request import schema_of
from service.values.repeated import repeated

SMALL_BODY: Final = 32_768
"""Bytes of a body that can't hold enough to be counted before it is parsed."""
MAX_VALUES: Final = 12_000
"""Values in a body: more than any request takes, and parsed in 10 ms (of 12,000 keys; json, one processor of two)."""
MAX_KEYS: Final = 100
"""Fields of a request: more than any has, so that most of them are unknown, and no other is looked at."""
MAX_DEPTH: Final = 32
"""Arrays and objects of a body within each other."""
MAX_DIGITS: Final = 20
"""Digits of a whole number: one of thousands takes as long to parse as thousands of others."""

_WRONG_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


class Reader:
    """Reads the requests of one operation."""

    def __init__(self, route: Route, bodies: BodyBudget) -> None:
        self._bodies = bodies
        self._schema = schema_of(route.request)
        self._places = route.places
        self._has_body, self._only_reads = route.has_body, route.only_reads
        self._from_text = {
            key: field.from_text for key, field in self._schema.by_key.items() if isinstance(field, WrittenAsText)
        }
        self._empty: Any = None
        """The request that gives nothing, as most requests of lists do; None if the operation needs something."""
        with suppress(ValidationError):
            self._empty = self._schema.read({})

    async def receive(self, request: web.Request) -> Any:
        """Wait for the body, if it is looked at; `read` tells what it was read as, or what is wrong with it.

        That of a read is not. A change that has no fields in a body takes an empty one: what it was asked for there
        would else be left out silently.

        Returns:
            The operation's request or what is wrong with it, without what was read: that can be large. None if no
            body is looked at.

        Raises:
            Unavailable: there is no room for the body now.
            web.HTTPRequestEntityTooLarge: the body is over the limit.
            web.RequestPayloadError: the body is not coded as the headers say.
        """
        if not self._has_body and (self._only_reads or not request.body_exists):
            return None
        try:
            return await self._bodies.receive(request, lambda body: self._load(request, self._object(body)))
        except InvalidArgument as error:
            return error.with_traceback(None)

    def read(self, request: web.Request, received: Any) -> Any:
        """Return the operation's request, as the dataclass that its schema loads into.

        The body is JSON whatever its Content-Type says.

        Raises:
            InvalidArgument: the address is coded wrongly, the body is not JSON, or something is missing, unknown,
                misplaced, given twice, or of the wrong type.
        """
        if received is None:
            return self._load(request, {})
        if isinstance(received, InvalidArgument):
            raise received
        return received

    def _object(self, body: bytes | bytearray) -> dict[str, Any]:
        return parse_object(body) if body or self._has_body else {}

    def _load(self, request: web.Request, body: dict[str, Any]) -> Any:
        """Merge path, query and body, and load the request."""
        if "%" in request.raw_path:
            _refuse_wrong_escapes(request.raw_path)
        values = self._query(request) if request.query_string else {}
        values |= request.match_info
        if body:
            self._refuse_misplaced(body, "body")
            values |= body
        if len(values) > MAX_KEYS:
            unknown = (key for key in values if key not in self._schema.by_key)
            raise InvalidArgument.of_fields((key, ["Unknown field."]) for key in unknown)
        if not values and self._empty is not None:
            return self._empty
        try:
            return self._schema.read(values)
        except ValidationError as error:
            refusal = InvalidArgument.of_fields(flatten(error.messages))
        raise refusal  # out here, as its context would keep what was read

    def _query(self, request: web.Request) -> dict[str, Any]:
        """Return the fields in the query. Its texts stand for values of the types that JSON has and a query lacks."""
        query = request.query
        _refuse_repeated([name for name, _ in query.items()])
        refuse_unstorable(query)
        if "" in query:
            raise InvalidArgument("A field in the query has no name: fields are written as name=value, with & between.")
        self._refuse_misplaced(query, "query")
        return {key: self._from_text[key](text) if key in self._from_text else text for key, text in query.items()}

    def _refuse_misplaced(self, values: Mapping[str, Any], place: Place) -> None:
        misplaced = [name for name in values if self._places.get(name, place) != place]
        if misplaced:
            raise InvalidArgument.of_fields((name, [f"Belongs in the {self._places[name]}."]) for name in misplaced)


def _refuse_wrong_escapes(target: str) -> None:
    """Refuse percent-encoding that could be read in several ways, where others would put in something of their own."""
    if _WRONG_ESCAPE.search(target):
        raise InvalidArgument("The address has a % without two hexadecimal digits behind it: write % itself as %25.")
    with suppress(UnicodeDecodeError):
        unquote_to_bytes(target).decode()
        return
    raise InvalidArgument("The address is not UTF-8 once its percent-encoding is undone.")


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Parse a body as a JSON object.

    Raises:
        InvalidArgument: it is not JSON in UTF-8, not an object, or holds what some parsers allow but nothing can keep:
            duplicate keys, NaN and infinities, lone surrogates, NUL; or more, or deeper, than any request takes.
    """
    if len(body) > SMALL_BODY and body.count(b",") >= MAX_VALUES:
        raise InvalidArgument(f"The body holds more than {MAX_VALUES:,} values: no request takes as many.")
    value, text, sentence = None, "", ""
    try:
        text = body.decode()
        value = _DECODER.decode(text)
    except UnicodeDecodeError:
        sentence = "The body is not UTF-8."
    except json.JSONDecodeError as error:
        sentence = f"The body is not JSON: {error.msg.removesuffix(' at')} at character {error.pos}."
        if not text.strip():
            sentence = "The body is empty: it must be a JSON object, and {} if nothing is to be said."
    except (RecursionError, ValueError):
        sentence = _TOO_DEEP
    if sentence:
        raise InvalidArgument(sentence)  # out here, as those errors hold the whole body
    if not isinstance(value, dict):
        raise InvalidArgument("The body must be a JSON object.")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_deep(value)
    if "\\u" in text:  # only escaped ones get here: UTF-8 has no surrogates, and JSON no raw control characters
        refuse_unstorable(value)
    return value


_TOO_DEEP: Final = f"The body can't be read: it is nested more than {MAX_DEPTH} deep."


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        _refuse_repeated([name for name, _ in pairs])
    return values


def _refuse_repeated(names: Sequence[str]) -> None:
    if found := repeated(names):
        raise InvalidArgument.of_fields((name, ["Given more than once."]) for name in found)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidArgument(f"The body is not JSON: {name} is no number there.")


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise InvalidArgument(f"The body can't be read: a number in it has more than {MAX_DIGITS} digits.")
    return int(digits)


def _fraction(digits: str) -> float:
    """Return a number that is not whole; beyond the largest one it would be infinity, which no field is written as."""
    number = float(digits)
    if isinf(number):
        raise InvalidArgument("The body can't be read: a number in it is larger than any can be.")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates,
    parse_int=_whole_number,
    parse_float=_fraction,
    parse_constant=_refuse_constant,
)


def _refuse_deep(value: Any) -> None:
    """Refuse what is nested too deeply, level by level, so that the depth of this does not grow with it."""
    level = [value]
    for _ in range(MAX_DEPTH):
        children = (child for each in level for child in (each.values() if isinstance(each, dict) else each))
        level = [child for child in children if isinstance(child, dict | list)]
    if level:
        raise InvalidArgument(_TOO_DEEP)


def refuse_unstorable(value: Any) -> None:
    """Refuse texts that are not Unicode (lone surrogates), and NUL, which PostgreSQL can't keep.

    Raises:
        InvalidArgument: there is one in the value, or in what that holds.
    """
    if isinstance(value, str):
        if "\0" in value or not _is_unicode(value):
            raise InvalidArgument("A text holds a NUL character or a lone surrogate.")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            refuse_unstorable(name)
            refuse_unstorable(item)
    elif isinstance(value, list):
        for item in value:
            refuse_unstorable(item)


def _is_unicode(text: str) -> bool:
    """Return whether a text has no lone surrogates, by encoding it: a tenth of the time that looking for them takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
