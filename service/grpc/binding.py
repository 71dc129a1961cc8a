"""The binding of one method whose requests are messages: by gRPC, and by Connect."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote

import orjson
from aiohttp import web
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from marshmallow import ValidationError
from multidict import CIMultiDictProxy

from service.database.fair_queue import FairQueue, Presence
from service.errors import DeadlineExceeded, InvalidArgument, ServiceError
from service.grpc.messages import AnswerMessage, RequestMessage
from service.http.bodies import BodyBudget
from service.http.endpoint import EncodedAnswer, Endpoint
from service.http.public_address import PublicAddresses
from service.http.reader import parse_object
from service.http.routes import Route
from service.http.unsent import UnsentBudget
from service.operations.dispatcher import Dispatcher
from service.schemas.messages import flatten
from service.schemas.request import schema_of
from service.telemetry.request_record import Asking, current_asking, current_request

Shared = tuple[Dispatcher, BodyBudget, UnsentBudget, PublicAddresses]
"""The parts that the bindings of all methods share."""
Parse = Callable[[bytes | bytearray], Any]


class Incoming(Protocol):
    """A call of one method, as it came by a transport, in the shape of aiohttp's requests."""

    headers: CIMultiDictProxy[str]
    path: str
    raw_path: str
    """The path, as there is no query."""
    outcome: Any
    """The operation's request that it was read as, or the reason why it can't be read."""

    async def receive(self, parse: Parse) -> Any:
        """Wait until the message is here whole, and return what it is parsed as."""


class MessageBinding(Endpoint):
    """The binding of one method by messages.

    But for how requests are read, it is that of HTTP: answers are the same, and so are cached together; `AnswerForms`
    makes messages of them.
    """

    def __init__(self, route: Route, method: MethodDescriptor, *shared: *Shared) -> None:
        super().__init__(route, *shared)
        self.rpc: Final = f"{method.containing_service.full_name}/{method.name}"
        self._named = [name for name, place in route.places.items() if place == "path"]
        self._schema = schema_of(route.request)
        self.message: Final = RequestMessage(route, method.input_type)
        self._plain: Any = None
        """The request that gives nothing; None if the operation needs something."""
        with suppress(ValidationError):
            self._plain = self._schema.read({})

    def credentials(self, request: Any) -> str | None:
        """Return what authorizes the call; note for its line what it is about, which its address does not tell."""
        if self._named:
            current_request().target = partial(self._target, request.outcome)
        return super().credentials(request)

    def _target(self, outcome: Any) -> str:
        """Return the call with those values of its message that HTTP has in the path, as far as it could be read."""
        named = {} if isinstance(outcome, Exception) else {name: getattr(outcome, name, None) for name in self._named}
        return " ".join((f"/{self.rpc}", *(f"{name}={quote(str(value))}" for name, value in named.items())))

    def cacheable(self, request: Any) -> bool:
        """Return whether the message, which is here, gives nothing, and the client does not want the answer anew."""
        return request.outcome is self._plain and super().cacheable(request)

    async def receive(self, request: Any) -> Any:
        """Receive the message, if that was not done yet; `read` tells what it is, or what is wrong with it."""
        incoming: Incoming = request
        if incoming.outcome is None:
            try:
                incoming.outcome = await incoming.receive(self._load)
            except (ServiceError, web.HTTPException, web.RequestPayloadError) as error:
                incoming.outcome = error.with_traceback(None)
        return incoming.outcome

    def read(self, request: Any, received: Any) -> Any:
        """Return what the operation takes, also of a read, whose message was received before it was dispatched.

        Raises:
            InvalidArgument: the message is malformed, or something in it is missing, unknown, or of the wrong type.
            Unavailable: there was no room for the message.
        """
        outcome = request.outcome if received is None else received
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def values(self, body: bytes | bytearray) -> Mapping[str, Any]:
        """Return what is set in a message, by the names that JSON has."""
        return self.message.values(bytes(body))

    def _load(self, body: bytes | bytearray) -> Any:
        if not body and self._plain is not None:  # as nearly all lists are asked for
            return self._plain
        values = self.values(body)
        if not values and self._plain is not None:
            return self._plain
        try:
            return self._schema.read(values)
        except ValidationError as error:
            refusal = InvalidArgument.of_fields(flatten(error.messages))
        raise refusal  # out here, as its context would keep what was read


class JsonMessageBinding(MessageBinding):
    """The binding of one method whose messages come as JSON, as Protocol Buffers have it."""

    def values(self, body: bytes | bytearray) -> Mapping[str, Any]:
        """Return what is set in a message, by the names that HTTP has."""
        return self.message.values_of_json(parse_object(body))


@asynccontextmanager
async def client_deadline(seconds: float) -> AsyncIterator[None]:
    """Answer within the client's own deadline.

    Raises:
        DeadlineExceeded: it has passed.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise later_than_the_client_waits() from error


def connect_timeout(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a client of Connect waits; None if it does not say.

    Raises:
        InvalidArgument: what it says is no such time, or it speaks another version of Connect.
    """
    wait = headers.get("Connect-Timeout-Ms")
    if headers.get("Connect-Protocol-Version", "1") != "1":
        raise InvalidArgument("The header Connect-Protocol-Version must be 1, the version that this service speaks.")
    if wait is not None and not re.fullmatch("[0-9]{1,10}", wait):
        raise InvalidArgument("The header Connect-Timeout-Ms must be milliseconds, in ten digits at most.")
    return None if wait is None else int(wait) / 1000


def later_than_the_client_waits() -> DeadlineExceeded:
    """Return the failure of a call whose client's deadline has passed."""
    sentence = "The answer took longer than the client waits: try again, or with a later deadline."
    return DeadlineExceeded(sentence, reason="client_deadline")


Key = tuple[str, str]


class AnswerForms:
    """The answers of one method as messages, made of the JSON that was cached.

    Those of cached answers are kept, and made once, however many clients ask for one at the same moment.
    """

    def __init__(self, route: Route, method: MethodDescriptor, kept: "KeptMessages") -> None:
        self._message = AnswerMessage(method.output_type)
        self._list = _list_of_flat_items(method.output_type)
        self._maker = kept.maker
        self._kept = kept if route.cached else None

    async def encode(self, answer: EncodedAnswer) -> bytes:
        """Return an answer as a message."""
        if self._kept is None or answer.tag is None:
            return await self._make(answer.body)
        key = self._message.name, answer.tag
        found = self._kept.find(key)
        if found is None:
            found = await self._make(answer.body, key)
            self._kept.put(key, found)
        return found

    async def _make(self, body: bytes, key: Key | None = None) -> bytes:
        if len(body) <= SLICE_BYTES:
            return self._message.encode(orjson.loads(body))
        async with self._maker.place(current_asking()):
            made = self._kept.find(key) if self._kept is not None and key is not None else None
            return await self._make_large(body) if made is None else made

    async def _make_large(self, body: bytes) -> bytes:
        """Make the message in slices: what is encoded one after the other is merged."""
        if self._list is not None and (start := body.find(_FIRST)) > 0:
            return await self._make_of_slices(self._list, body, start + 1)
        return await self._message.encode_in_slices(orjson.loads(body))

    async def _make_of_slices(self, name: str, body: bytes, start: int) -> bytes:
        """Make the message of a long list, whose JSON takes as long to be read as its items take to be encoded."""
        end = body.rfind(_LAST) + 1 or len(body) - 2  # nothing stands behind the list but the object's end
        whole = [self._message.encode(orjson.loads(body[:start] + body[end:]))]
        while start < end:
            behind = body.find(_BETWEEN, start + SLICE_BYTES, end) + 1 or end
            whole.append(self._message.encode({name: orjson.loads(b"[" + body[start:behind] + b"]")}))
            start = behind + 1
            await asyncio.sleep(0)
        return b"".join(whole)


SLICE_BYTES: Final = 131_072
"""Bytes of JSON that are read at once, in a millisecond, and about as many more that are made of them."""
_FIRST, _BETWEEN, _LAST = b'[{"', b'},{"', b'}],"'
"""The ends of flat items in the JSON of a list: no text in it holds a quotation mark that is not escaped."""


def _list_of_flat_items(answer: Descriptor) -> str | None:
    """Return the one list of messages that an answer has, if these hold no further ones."""
    lists = [field for field in answer.fields if field.is_repeated and field.message_type is not None]
    items = lists[0].message_type if len(lists) == 1 else None
    if items is None or any(field.message_type is not None for field in items.fields):
        return None
    return str(lists[0].json_name)


class MessageMaker:
    """Makes messages, large ones one at a time: the values that their JSON is parsed as take ten times its bytes.

    Hundreds at once would also have each turn of the event loop take a slice of each of them.
    """

    def __init__(self) -> None:
        self._places = FairQueue(1, Presence())

    async def make(self, message: AnswerMessage, body: bytes, asking: Asking | None) -> bytes:
        """Return the message of an answer's JSON, a large one in its caller's turn."""
        if len(body) <= SLICE_BYTES:
            return message.encode(orjson.loads(body))
        async with self.place(asking):
            return await message.encode_in_slices(orjson.loads(body))

    def place(self, asking: Asking | None) -> AbstractAsyncContextManager[None]:
        """Return the context in which a large message is made, in its caller's turn."""
        return self._places.place(asking)


class KeptMessages:
    """The messages made of cached answers, by the tags of these: equal bytes of JSON make equal messages."""

    def __init__(self, max_bytes: int) -> None:
        self.maker: Final = MessageMaker()
        """Makes them, and those that are not kept."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._messages: OrderedDict[Key, bytes] = OrderedDict()

    def find(self, key: Key) -> bytes | None:
        """Return the message of an answer, by the message's name and the answer's tag; None if it is not there."""
        found = self._messages.get(key)
        if found is not None:
            self._messages.move_to_end(key)
        return found

    def put(self, key: Key, message: bytes) -> None:
        """Keep a message; the least recently used beyond the bound are dropped."""
        if key not in self._messages:
            self._messages[key] = message
            self._bytes += len(message)
        while self._bytes > self._max_bytes:
            _, dropped = self._messages.popitem(last=False)
            self._bytes -= len(dropped)
