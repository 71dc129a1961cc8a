"""HTTP request → the arguments of an operation: path, query and body merged, and every malformed one refused."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

from aiohttp import web
from marshmallow import ValidationError

from service.errors import InvalidArgument
from service.schemas.request import RequestSchema
from service.telemetry.request_record import current_request


class Reader:
    """Reads the requests of one operation."""

    def __init__(self, schema: RequestSchema) -> None:
        """A field says by its metadata whether it stands in the path or the query; the others are in the body."""
        self._schema = schema
        self._places = {
            field.data_key or name: field.metadata.get("in", "body") for name, field in schema.fields.items()
        }
        self._has_body = "body" in self._places.values()
        self._whole: Any = None
        """What is asked for when nothing is given, as mostly by lists; None where something must be."""
        with suppress(ValidationError):
            self._whole = schema.read({})

    async def read(self, request: web.Request) -> Any:
        """What a request asks for, as the schema's dataclass.

        The body is JSON whatever its Content-Type says, and is read only if fields are in it.

        Raises:
            InvalidArgument: the body is not JSON, or something is missing, unknown, misplaced, given twice, or of the
                wrong type.
            web.HTTPRequestEntityTooLarge: the body is over the limit.
            web.RequestPayloadError: the body is not coded as the headers say.
        """
        query = _query(request)
        self._refuse_misplaced(query, "query")
        values = query | dict(request.match_info)
        if self._has_body:
            body = parse_object(await _received(request))
            self._refuse_misplaced(body, "body")
            values |= body
        if not values and self._whole is not None:
            return self._whole
        try:
            return self._schema.read(values)
        except ValidationError as error:
            raise _invalid(_flat(error.messages)) from error

    def _refuse_misplaced(self, values: Mapping[str, Any], place: str) -> None:
        misplaced = [name for name in values if self._places.get(name, place) != place]
        if misplaced:
            raise _invalid({name: [f"Belongs in the {self._places[name]}."] for name in misplaced})


async def _received(request: web.Request) -> bytes:
    """The whole body, noting that it is waited for: if the deadline comes meanwhile, it is the caller who is late."""
    record = current_request()
    record.reading_body = True
    body = await request.read()
    record.reading_body = False
    return body


def _query(request: web.Request) -> dict[str, Any]:
    if not request.query_string:
        return {}
    query = request.query
    twice = [name for name in query if len(query.getall(name)) > 1]
    if twice:
        raise _invalid({name: ["Given more than once."] for name in dict.fromkeys(twice)})
    _refuse_unstorable(query)
    return dict(query)


def parse_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object.

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
    if "\\u" in text:  # raw ones can't come: UTF-8 has no surrogates, and JSON no raw control characters
        _refuse_unstorable(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _invalid({name: ["Given more than once."] for name in values if names.count(name) > 1})
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidArgument(f"The body is not JSON: {name} is no number there.")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


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


def _flat(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Marshmallow's nested messages by one dotted name each."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for key, nested in messages.items():
            flat |= _flat(nested, f"{path}.{key}" if path else str(key))
        return flat
    return {path: [str(message) for message in messages]}


def _invalid(details: dict[str, list[str]]) -> InvalidArgument:
    name, reasons = next(iter(details.items()))
    more = f" (and {len(details) - 1} more, see details)" if len(details) > 1 else ""
    return InvalidArgument(f"The request is not valid: {name}: {reasons[0]}{more}", details=details)
