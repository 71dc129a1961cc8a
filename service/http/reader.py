"""HTTP request → the arguments of an operation: path, query and body merged, and every malformed one refused."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

from aiohttp import web
from marshmallow import ValidationError

from service.errors import InvalidArgument
from service.http.routes import Place, Route
from service.schemas.fields import WrittenAsText
from service.schemas.request import schema_of
from service.telemetry.request_record import current_request


class Reader:
    """Reads the requests of one operation."""

    def __init__(self, route: Route) -> None:
        self._schema = schema_of(route.request)
        self._places = route.places
        self._has_body = route.has_body
        self._from_text = {
            key: field.from_text for key, field in self._schema.by_key.items() if isinstance(field, WrittenAsText)
        }
        self._empty: Any = None
        """The request that gives nothing, as most requests of lists do; None if the operation needs something."""
        with suppress(ValidationError):
            self._empty = self._schema.read({})

    async def receive(self, request: web.Request) -> None:
        """Wait for the body, if fields are in it; `read` finds it there.

        Raises:
            web.HTTPRequestEntityTooLarge: the body is over the limit.
            web.RequestPayloadError: the body is not coded as the headers say.
        """
        if self._has_body:
            await _receive(request)

    async def read(self, request: web.Request) -> Any:
        """Return the operation's request, as the dataclass that its schema loads into.

        The body is JSON whatever its Content-Type says, and is read only if fields are in it.

        Raises:
            InvalidArgument: the body is not JSON, or something is missing, unknown, misplaced, given twice, or of the
                wrong type.
            web.HTTPRequestEntityTooLarge: the body is over the limit.
            web.RequestPayloadError: the body is not coded as the headers say.
        """
        values = self._query(request) if request.query_string else {}
        values |= request.match_info
        if self._has_body:
            body = parse_object(await _receive(request))
            self._refuse_misplaced(body, "body")
            values |= body
        if not values and self._empty is not None:
            return self._empty
        try:
            return self._schema.read(values)
        except ValidationError as error:
            raise _invalid(_flatten(error.messages)) from error

    def _query(self, request: web.Request) -> dict[str, Any]:
        """Return the fields in the query. Its texts stand for values of the types that JSON has and a query lacks."""
        query = request.query
        repeated = [name for name in query if len(query.getall(name)) > 1]
        if repeated:
            raise _invalid({name: ["Given more than once."] for name in dict.fromkeys(repeated)})
        _refuse_unstorable(query)
        self._refuse_misplaced(query, "query")
        return {key: self._from_text[key](text) if key in self._from_text else text for key, text in query.items()}

    def _refuse_misplaced(self, values: Mapping[str, Any], place: Place) -> None:
        misplaced = [name for name in values if self._places.get(name, place) != place]
        if misplaced:
            raise _invalid({name: [f"Belongs in the {self._places[name]}."] for name in misplaced})


async def _receive(request: web.Request) -> bytes:
    """Receive the whole body, noting that it is waited for: if the deadline comes meanwhile, the caller is late."""
    record = current_request()
    record.reading_body = True
    body = await request.read()
    record.reading_body = False
    return body


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body as a JSON object.

    Raises:
        InvalidArgument: it is not JSON in UTF-8, not an object, or holds what some parsers allow but nothing can keep:
            duplicate keys, NaN and infinities, lone surrogates, NUL.
    """
    try:
        text = body.decode()
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise InvalidArgument("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except (RecursionError, ValueError) as error:
        raise InvalidArgument("The body can't be read: it is nested too deeply, or a number is too long.") from error
    if not isinstance(value, dict):
        raise InvalidArgument("The body must be a JSON object.")
    if "\\u" in text:  # only escaped ones get here: UTF-8 has no surrogates, and JSON no raw control characters
        _refuse_unstorable(value)
    return value


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _invalid({name: ["Given more than once."] for name in values if names.count(name) > 1})
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidArgument(f"The body is not JSON: {name} is no number there.")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)


def _refuse_unstorable(value: Any) -> None:
    """Refuse texts that are not Unicode (lone surrogates), and NUL, which PostgreSQL can't keep."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidArgument("A text holds a NUL character or a lone surrogate.")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_unstorable(name)
            _refuse_unstorable(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_unstorable(item)


def _flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Return marshmallow's nested messages by one dotted name each."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for key, nested in messages.items():
            flat |= _flatten(nested, f"{path}.{key}" if path else str(key))
        return flat
    return {path: [str(message) for message in messages]}


def _invalid(details: dict[str, list[str]]) -> InvalidArgument:
    name, reasons = next(iter(details.items()))
    more = f" (and {len(details) - 1} more, see details)" if len(details) > 1 else ""
    return InvalidArgument(f"The request is not valid: {name}: {reasons[0]}{more}", details=details)
