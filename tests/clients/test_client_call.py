"""Operations of the Python client by their names, as JSON; and what a program may say of its calls."""

import asyncio
from typing import Any

import httpx
import pytest

from flow_pipelines_client import ApiError, AsyncClient, Client, JsonAnswer, NotFound, Retries, UnexpectedAnswer
from flow_pipelines_client.attempts import AGENT
from tests.clients.faulty import failure, faulty_service, success

USER = {"username": "ada", "role": "of a newer service"}


async def call(way: str, url: str, *arguments: Any, if_match: str | None = None) -> JsonAnswer:
    if way == "async":
        async with AsyncClient(url, "fp_x") as client:
            return await client.call(*arguments, if_match=if_match)

    def in_thread() -> JsonAnswer:
        with Client(url, "fp_x") as client:
            return client.call(*arguments, if_match=if_match)

    return await asyncio.to_thread(in_thread)


both_ways = pytest.mark.parametrize("way", ["sync", "async"])


@both_ways
async def test_operation_is_run_by_its_name_and_answers_as_it_is(way: str) -> None:
    answers = [success(user=USER), (201, {"status": "OK", "job": {"id": "a/b"}}, {}), success(users=[])]
    with faulty_service(*answers) as service:
        read = await call(way, service.url, "get_user", {"username": "a d/a"})
        request = {"job_id": "a/b", "name": None}
        put = await call(way, service.url, "put_job", request, if_match='"1"')
        await call(way, service.url, "list_users", {"q": "ä&", "total": True})

    assert (read.body, read.created) == ({"status": "OK", "user": USER}, False)
    assert (put.body["job"], put.created) == ({"id": "a/b"}, True)
    assert [(each.method, each.target) for each in service.asked] == [
        ("GET", "/api/v1/users/a%20d%2Fa"),
        ("PUT", "/api/v1/jobs/a%2Fb"),
        ("GET", "/api/v1/users?q=%C3%A4%26&total=true"),
    ]
    assert (service.asked[1].body, service.asked[1].headers["if-match"]) == ({"name": None}, '"1"')
    assert [each.body for each in service.asked[::2]] == [None, None]


@both_ways
async def test_failure_of_an_operation_by_its_name_is_that_of_its_method(way: str) -> None:
    with faulty_service(failure("NOT_FOUND", 404)) as service, pytest.raises(NotFound):
        await call(way, service.url, "get_user", {"username": "ada"})
    for answer in (success(), success(users={})):
        with faulty_service(answer) as service, pytest.raises(UnexpectedAnswer, match="as the service does"):
            await call(way, service.url, "list_users", {})
    with pytest.raises(ValueError, match="'get_users' is no operation"):
        await call(way, "http://127.0.0.1:1", "get_users", {})
    with pytest.raises(ValueError, match="needs pipeline_id and username"):
        await call(way, "http://127.0.0.1:1", "get_user_grant", {})


WAITS = failure("UNAVAILABLE", 503, Retry_After="0")


async def test_only_what_the_service_asks_for_is_sent_again() -> None:
    waits: list[tuple[str, bool]] = []
    asked = Retries(
        first_wait=0.001,
        unasked=False,
        before_wait=lambda error, seconds: waits.append((error.code, 0 <= seconds < 1)),
    )
    with (
        faulty_service(WAITS, success(pipelines=[]), failure("UNAVAILABLE", 503)) as service,
        Client(service.url, "fp_x", retries=asked) as client,
    ):
        assert client.list_pipelines().all() == []
        with pytest.raises(ApiError):
            client.list_pipelines().all()

    assert (waits, len(service.asked)) == ([("UNAVAILABLE", True)], 3)


def test_wait_may_be_refused() -> None:
    def refuse(error: ApiError, _: float) -> None:
        raise error

    with (
        faulty_service(WAITS) as service,
        Client(service.url, "fp_x", retries=Retries(before_wait=refuse)) as client,
        pytest.raises(ApiError) as told,
    ):
        client.get_me()

    assert (len(service.asked), told.value.from_service) == (1, True)
    assert told.value.headers["retry-after"] == "0"


async def test_token_of_each_attempt_is_asked_for_also_by_an_async_function() -> None:
    tokens = iter(["fp_1", "fp_2"])

    async def token() -> str:
        await asyncio.sleep(0)
        return next(tokens)

    with faulty_service(WAITS, success(pipelines=[])) as service:
        async with AsyncClient(service.url, token) as client:
            await client.list_pipelines().all()

    assert [request.headers["authorization"] for request in service.asked] == ["Bearer fp_1", "Bearer fp_2"]


def test_name_of_the_program_that_calls_is_its_own_or_the_clients() -> None:
    with faulty_service() as service:
        for headers in ({}, {"User-Agent": "ours/1"}):
            with httpx.Client(headers=headers) as http, Client(service.url, "fp_x", http=http) as client:
                client.list_pipelines().all()

    assert [request.headers["user-agent"] for request in service.asked] == [AGENT, "ours/1"]


@pytest.mark.parametrize(
    "host", ["\u2603\u2603.example\u00ad\u0378", "a" * 64, "a..b", "xn--a"], ids=["odd", "long", "gap", "xn"]
)
def test_address_that_no_host_can_have_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="is no address of a service"):
        Client(f"http://{host}", "fp_x")
