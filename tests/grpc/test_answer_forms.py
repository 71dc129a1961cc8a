"""Messages made of the JSON of answers: of long ones in slices, to the same."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
import pytest
from google.protobuf.message_factory import GetMessageClass

from service.grpc import binding
from service.grpc.binding import AnswerForms, KeptMessages
from service.grpc.messages import ENCODED_AT_ONCE, AnswerMessage, methods
from service.http.endpoint import EncodedAnswer
from service.http.responses import encode

ODD = ('},{"', '[{"', "}]", '\\"', '"},{"name":"x', "\u2028\ufdfa", "[", "}")


def forms_of(name: str, kept: KeptMessages | None = None) -> tuple[AnswerForms, Any]:
    route, method = next(each for each in methods() if each[1].name == name)
    return AnswerForms(route, method, kept or KeptMessages(0)), GetMessageClass(method.output_type)


@pytest.mark.parametrize("size", [1, 100, 10_000_000])
@pytest.mark.parametrize("behind", [{}, {"next_page_token": "x}]"}], ids=["whole", "page"])
async def test_long_list_is_made_in_slices_to_the_same_message(
    monkeypatch: pytest.MonkeyPatch, size: int, behind: dict[str, str]
) -> None:
    monkeypatch.setattr(binding, "SLICE_BYTES", size)
    items = [
        {"name": f"{odd} {number} {odd}", "id": f"{number}", "permissions": [odd, "x"], "is_manager": number % 2 == 0}
        for number, odd in enumerate(ODD * 20)
    ]
    forms, kind = forms_of("ListPipelines")

    message = kind.FromString(await forms.encode(EncodedAnswer(encode({"status": "OK", "pipelines": items, **behind}))))

    assert [
        {"name": each.name, "id": each.id, "permissions": [*each.permissions], "is_manager": each.is_manager}
        for each in message.pipelines
    ] == items
    assert message.next_page_token == behind.get("next_page_token", "")


@pytest.mark.parametrize("pipelines", [[], [{"name": "x", "id": "1", "permissions": [], "is_manager": True}]])
async def test_short_list_is_made_whole(monkeypatch: pytest.MonkeyPatch, pipelines: list[dict[str, Any]]) -> None:
    monkeypatch.setattr(binding, "SLICE_BYTES", 1)
    forms, kind = forms_of("ListPipelines")

    made = kind.FromString(await forms.encode(EncodedAnswer(orjson.dumps({"status": "OK", "pipelines": pipelines}))))

    assert len(made.pipelines) == len(pipelines)


def page_of_the_trail(states: list[int]) -> dict[str, Any]:
    """A page of entries whose states have so many ids."""
    items = [
        {"id": number, "target": "job:x", "before": None, "after": {"pipeline_ids": [str(UUID(int=number))] * ids}}
        for number, ids in enumerate(states)
    ]
    return {"status": "OK", "audit": items, "next_page_token": "x" * ENCODED_AT_ONCE}


@pytest.mark.parametrize(
    "states", [[400] * 64, [4] * 1_000 + [1_500] * 10, [1_500]], ids=["alike", "large last", "one"]
)
async def test_page_of_large_items_is_encoded_in_slices_to_the_same_message(
    monkeypatch: pytest.MonkeyPatch, states: list[int]
) -> None:
    """A page of the audit trail has few items, each of which may have thousands of values."""
    body = page_of_the_trail(states)
    forms, kind = forms_of("ListAudit")
    whole = forms._message.encode(body)
    encoded, encode_one, sleep = [0], AnswerMessage.encode, asyncio.sleep

    def encode_and_count(message: AnswerMessage, dumped: Any) -> bytes:
        made = encode_one(message, dumped)
        encoded[-1] += len(made)
        return made

    async def sleep_and_count(seconds: float) -> None:
        encoded.append(0)
        await sleep(seconds)

    monkeypatch.setattr(AnswerMessage, "encode", encode_and_count)
    monkeypatch.setattr(asyncio, "sleep", sleep_and_count)

    made = kind.FromString(await forms.encode(EncodedAnswer(encode(body))))

    assert made == kind.FromString(whole)
    assert len(made.audit) == len(states)
    assert max(encoded) <= 3 * ENCODED_AT_ONCE


async def test_message_of_a_list_is_made_once_for_all_that_ask_at_the_same_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of hundreds would take twice the message, and a slice of each would be made in one turn of the loop."""
    monkeypatch.setattr(binding, "SLICE_BYTES", 1_000)
    items = [{"name": f"{number}", "id": "1", "permissions": [], "is_manager": True} for number in range(500)]
    forms, _ = forms_of("ListPipelines", KeptMessages(10**6))
    body = encode({"status": "OK", "pipelines": items})
    made, encode_one = 0, AnswerMessage.encode

    def encode_and_count(message: AnswerMessage, dumped: Any) -> bytes:
        nonlocal made
        made += 1
        return encode_one(message, dumped)

    monkeypatch.setattr(AnswerMessage, "encode", encode_and_count)
    alone = await forms.encode(EncodedAnswer(body, '"1"'))
    slices, made = made, 0

    messages = await asyncio.gather(*(forms.encode(EncodedAnswer(body, '"2"')) for _ in range(5)))

    assert slices > 10
    assert made == slices
    assert set(messages) == {alone}


async def test_lists_in_slices_are_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "SLICE_BYTES", 1_000)
    forms, _ = forms_of("ListPipelines")
    bodies = [
        encode({"pipelines": [{"name": name * 50, "id": "1", "permissions": [], "is_manager": True}] * 500})
        for name in "ab"
    ]
    order, encode_one = list[str](), AnswerMessage.encode

    def encode_and_note(message: AnswerMessage, dumped: Any) -> bytes:
        order.extend({each["name"][0] for each in dumped["pipelines"] or ()})
        return encode_one(message, dumped)

    monkeypatch.setattr(AnswerMessage, "encode", encode_and_note)

    await asyncio.gather(*(forms.encode(EncodedAnswer(body)) for body in bodies))

    assert order == sorted(order)
    assert len(order) > 20


async def test_large_messages_are_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the JSON of hundreds of them is parsed as would not fit into memory at once."""
    forms, _ = forms_of("ListAudit")
    answer, make = EncodedAnswer(encode(page_of_the_trail([1_000] * 10))), AnswerMessage.encode_in_slices
    at_once, most = 0, 0

    async def make_and_count(message: AnswerMessage, dumped: Any) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        made = await make(message, dumped)
        at_once -= 1
        return made

    monkeypatch.setattr(AnswerMessage, "encode_in_slices", make_and_count)

    made = await asyncio.gather(*(forms.encode(answer) for _ in range(5)))

    assert most == 1
    assert len(set(made)) == 1


def test_lists_that_may_be_long_have_flat_items() -> None:
    """They are cached, or as long as those, and have no page by themselves."""
    flat = {method.name for _, method in methods() if binding._list_of_flat_items(method.output_type)}

    assert {method.name for route, method in methods() if route.cached} <= flat
    assert "ListUserPipelines" in flat
    assert "ListJobs" not in flat
