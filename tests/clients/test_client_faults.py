"""The Python client against a service that fails: what is sent again, what is not, and what is told."""

import asyncio
import gc
import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID

import httpx
import pytest

import flow_pipelines_client as client_module
from flow_pipelines_client import (
    ApiError,
    AsyncClient,
    Client,
    Code,
    DeadlineExceeded,
    Gone,
    Permission,
    PreconditionFailed,
    ResourceExhausted,
    Retries,
    Unavailable,
    UnexpectedAnswer,
    feed,
    retries,
)
from flow_pipelines_client.batches import MAX_IDS, MAX_UPDATES, batches
from flow_pipelines_client.models import UpdateJobPipelinesInput
from service.schemas import jobs
from tests.clients.faulty import (
    RESET,
    SILENCE,
    TRICKLE,
    TRICKLING_HEAD,
    FaultyService,
    failure,
    faulty_service,
    success,
)
from tests.process.running import free_port

ID = UUID("8c400d55-15d4-41f9-b306-ec2836898d83")
ITEM = {"name": "Invoices", "id": str(ID), "permissions": ["flow_pipeline:read"], "is_manager": False}
BUSY = failure("UNAVAILABLE", 503)
QUICK = Retries(first_wait=0.001)

Work = Callable[[Any], Any]


async def run(service: FaultyService, way: str, work: Work, **options: Any) -> Any:
    """Do something with a client, by one of the two ways, and return what came of it."""
    options = {"retries": QUICK, "timeout": 5, **options}
    if way == "async":
        async with AsyncClient(service.url, "fp_x", **options) as client:
            return await work(client)

    def in_thread() -> Any:
        with Client(service.url, "fp_x", **options) as client:
            return work(client)

    return await asyncio.to_thread(in_thread)


both_ways = pytest.mark.parametrize("way", ["sync", "async"])


def listed(client: Any) -> Any:
    return client.list_pipelines().all()


def created(client: Any) -> Any:
    return client.create_pipeline("Invoices")


@both_ways
@pytest.mark.parametrize(
    "fault",
    [BUSY, failure("ABORTED", 409), failure("RESOURCE_EXHAUSTED", 429, Retry_After="0"), RESET, (502, b"<html>", {})],
    ids=["unavailable", "aborted", "rate", "reset", "bad gateway"],
)
async def test_read_is_sent_again(way: str, fault: Any) -> None:
    with faulty_service(fault, fault, success(pipelines=[ITEM])) as service:
        (pipeline,) = await run(service, way, listed)

    assert (pipeline.id, pipeline.permissions) == (ID, [Permission.READ])
    assert len({request.headers["x-request-id"] for request in service.asked}) == 1
    assert len(service.asked) == 3


@both_ways
@pytest.mark.parametrize("fault", [BUSY, RESET, (502, b"", {})], ids=["unavailable", "reset", "bad gateway"])
async def test_change_of_unknown_outcome_is_not_sent_again(way: str, fault: Any) -> None:
    with faulty_service(fault) as service, pytest.raises(Unavailable) as told:
        await run(service, way, created)

    assert len(service.asked) == 1
    assert told.value.may_be_done
    assert told.value.request_id in {service.asked[0].headers["x-request-id"], "theirs"}


@both_ways
@pytest.mark.parametrize(
    "fault", [failure("ABORTED", 409), failure("RESOURCE_EXHAUSTED", 429, Retry_After="0")], ids=["aborted", "rate"]
)
async def test_change_that_was_not_made_is_sent_again(way: str, fault: Any) -> None:
    pipeline = {**ITEM, "description": "", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    with faulty_service(fault, success(pipeline=pipeline)) as service:
        answer = await run(service, way, created)

    assert answer.pipeline.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert [request.body for request in service.asked] == [{"name": "Invoices"}] * 2


async def test_replacement_is_sent_again_unless_it_has_a_condition() -> None:
    with faulty_service(RESET, success(updated_pipelines=[])) as service:
        await run(service, "sync", lambda client: client.update_job_pipelines("4711", []))
    assert [request.body for request in service.asked] == [{"job_id": "4711", "pipeline_ids": []}] * 2

    with faulty_service(RESET) as service, pytest.raises(Unavailable):
        await run(service, "sync", lambda client: client.update_job_pipelines("4711", [], if_match='"x"'))
    assert [request.headers["if-match"] for request in service.asked] == ['"x"']


def test_change_is_sent_again_where_nothing_was_reached() -> None:
    port, asked = free_port(), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) == 1:
            raise httpx.ConnectError("nothing there")
        return httpx.Response(200, json={"status": "OK"})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    with Client(f"http://127.0.0.1:{port}/", "fp_x", http=http, retries=QUICK) as client:
        client.delete_job("4711")
    assert len(asked) == 2
    assert not http.is_closed
    http.close()


@both_ways
async def test_limit_without_an_end_is_told_at_once(way: str) -> None:
    with faulty_service(failure("RESOURCE_EXHAUSTED", 429)) as service, pytest.raises(ResourceExhausted):
        await run(service, way, listed)

    assert len(service.asked) == 1


@both_ways
@pytest.mark.parametrize("silence", [SILENCE, TRICKLE, TRICKLING_HEAD])
async def test_call_ends_at_its_deadline(way: str, silence: str) -> None:
    with faulty_service(silence) as service, pytest.raises(DeadlineExceeded, match=r"within 0\.2 s") as told:
        await run(service, way, lambda client: client.create_pipeline("Invoices", timeout=0.2))

    assert (told.value.may_be_done, told.value.status) == (True, None)
    assert len(service.asked) == 1


@both_ways
async def test_wait_that_would_pass_the_deadline_is_not_begun(way: str) -> None:
    with faulty_service(failure("UNAVAILABLE", 503, Retry_After="3")) as service, pytest.raises(Unavailable) as told:
        await run(service, way, lambda client: client.get_me(timeout=2))

    assert told.value.retry_after == 3
    assert len(service.asked) == 1


async def test_attempts_are_bounded() -> None:
    with faulty_service(*[BUSY] * 9) as service, pytest.raises(Unavailable):
        await run(service, "sync", listed)

    assert len(service.asked) == QUICK.attempts


async def test_budget_of_retries_runs_out_and_is_earned_again() -> None:
    def work(client: Client) -> list[int]:
        counts = []
        for _ in range(3):
            with pytest.raises(Unavailable):
                client.get_me()
            counts.append(len(service.asked))
        return counts

    scarce = Retries(first_wait=0.001, budget=4, earned=1)
    with faulty_service(*[BUSY] * 7) as service:
        assert await run(service, "sync", work, retries=scarce) == [4, 6, 7]
    with faulty_service(BUSY, success(pipelines=[]), BUSY, success(pipelines=[])) as service:
        only = Retries(first_wait=0.001, budget=1, earned=1)
        assert await run(service, "sync", lambda client: [listed(client), listed(client)], retries=only) == [[], []]


def test_waits_are_random_and_longer_each_time() -> None:
    patient = Retries(first_wait=1, longest_wait=3)
    error = Unavailable("", retry_after=2)
    for attempt, longest in ((2, 1), (3, 2), (4, 3), (5, 3)):
        waits = [retries.wait_before(attempt, error, patient) - 2 for _ in range(200)]
        assert min(waits) >= 0
        assert max(waits) <= longest
        assert len({*waits}) > 100


# ---- failures


@both_ways
async def test_failure_is_raised_with_all_that_is_known(way: str) -> None:
    body = {**failure("INVALID_ARGUMENT", 400)[1], "details": {"name": ["Too long."]}}
    with faulty_service((400, body, {})) as service, pytest.raises(client_module.InvalidArgument) as told:
        await run(service, way, created)

    error = told.value
    assert (error.code, error.message, error.details) == (Code.INVALID_ARGUMENT, "Try again.", {"name": ["Too long."]})
    assert (error.request_id, error.status, error.may_be_done) == ("theirs", 400, False)
    assert str(error) == "INVALID_ARGUMENT: Try again. (request theirs)"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (failure("FAILED_PRECONDITION", 412), PreconditionFailed, "FAILED_PRECONDITION"),
        (failure("FAILED_PRECONDITION", 410), Gone, "FAILED_PRECONDITION"),
        (failure("NOT_FOUND", 200), client_module.NotFound, "NOT_FOUND"),
        (failure("BRAND_NEW", 418), ApiError, "BRAND_NEW"),
        ((200, b"<html>", {}), UnexpectedAnswer, "UNKNOWN"),
        ((302, b"", {"Location": "http://elsewhere"}), UnexpectedAnswer, "UNKNOWN"),
        (success(pipelines="none"), UnexpectedAnswer, "UNKNOWN"),
        (success(pipelines=[1]), UnexpectedAnswer, "UNKNOWN"),
        (success(pipelines=[{**ITEM, "id": "x"}]), UnexpectedAnswer, "UNKNOWN"),
        (success(pipelines=[{**ITEM, "is_manager": 1}]), UnexpectedAnswer, "UNKNOWN"),
        (success(), UnexpectedAnswer, "UNKNOWN"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_failure_has_the_class_of_its_code(answer: Any, kind: type[ApiError], code: str) -> None:
    with faulty_service(answer) as service, pytest.raises(ApiError) as told:
        await run(service, "sync", listed)

    assert type(told.value) is kind
    assert told.value.code == code
    assert len(service.asked) == 1, "and nothing is sent elsewhere"


def test_wrong_arguments_are_told_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="is no address"):
        Client("pipelines.example.com", "fp_x")
    with Client("http://127.0.0.1:1", "fp x\n") as client, pytest.raises(ValueError, match="The token is none") as told:
        client.get_me()
    assert "fp" not in str(told.value)
    with Client("http://127.0.0.1:1", "fp_x") as client:
        with pytest.raises(ValueError, match="can be no name"):
            client.get_user("..")
        with pytest.raises(TypeError, match="put it into brackets"):
            client.update_job_pipelines("4711", str(ID))


async def test_answer_that_never_ends_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_pipelines_client.attempts.LARGEST_ANSWER", 100)
    with faulty_service((200, b" " * 101, {})) as service, pytest.raises(UnexpectedAnswer, match="larger"):
        await run(service, "sync", listed)


# ---- an old client, a new service


@both_ways
async def test_unknown_fields_and_words_of_a_newer_service_are_tolerated(way: str) -> None:
    newer = {**ITEM, "permissions": ["flow_pipeline:read", "flow_pipeline:archive"], "colour": {"deep": [1]}}
    with faulty_service(success(pipelines=[newer], weather="fine")) as service:
        (pipeline,) = await run(service, way, listed)

    read, archive = pipeline.permissions
    assert read is Permission.READ
    assert (archive, type(archive), archive.value) == ("flow_pipeline:archive", Permission, "flow_pipeline:archive")
    assert [*Permission] == [Permission(each) for each in Permission.__members__.values()]


# ---- pages, batches, tokens


@both_ways
async def test_last_page_may_have_an_empty_token(way: str) -> None:
    """As a gateway has it that writes out what is not set."""
    with faulty_service(*[success(pipelines=[ITEM], next_page_token="")] * 3) as service:
        assert len(await run(service, way, listed)) == 1

    assert len(service.asked) == 1


@both_ways
async def test_pages_are_asked_for_as_they_are_needed(way: str) -> None:
    page = success(pipelines=[ITEM, ITEM], next_page_token="a b")
    with faulty_service(page, page, page) as service:
        first = await run(service, way, lambda client: client.list_pipelines(name="ä&", is_manager=False).first())
        assert len(service.asked) == 1
        items = await run(service, way, lambda client: client.list_pipelines(page_size=2).all())

    assert (first.next_page_token, len(first.pipelines)) == ("a b", 2)
    assert len(items) == 4
    assert [request.target.partition("?")[2] for request in service.asked] == [
        "name=%C3%A4%26&is_manager=false",
        *("page_size=2", "page_size=2&page_token=a%20b", "page_size=2&page_token=a%20b"),
    ]


@both_ways
async def test_updates_of_many_jobs_are_sent_in_batches(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_pipelines_client.batches.MAX_UPDATES", 2)
    updates = [UpdateJobPipelinesInput(job_id=name, pipeline_ids=[ID]) for name in ("a", "b", "c")]

    def verdicts(*names: str) -> Any:
        return success(results=[{"job_id": name, "status": "OK", "updated_pipelines": []} for name in names])

    async def all_of(client: AsyncClient) -> list[str]:
        return [each.job_id async for each in client.update_jobs(updates)]

    with faulty_service(verdicts("a", "b"), verdicts("c")) as service:
        work: Work = all_of if way == "async" else lambda client: [each.job_id for each in client.update_jobs(updates)]
        assert await run(service, way, work) == ["a", "b", "c"]

    assert service.asked[1].body == {"updates": [{"job_id": "c", "pipeline_ids": [str(ID)]}]}


def test_batches_are_as_large_as_the_service_takes_them() -> None:
    assert (MAX_UPDATES, MAX_IDS) == (jobs.MAX_UPDATES, jobs.MAX_IDS)
    small = [UpdateJobPipelinesInput(job_id=str(number), pipeline_ids=[]) for number in range(1001)]
    large = [UpdateJobPipelinesInput(job_id="x", pipeline_ids=iter([ID] * 3000)) for _ in range(2)]

    assert [len(batch) for batch in batches(small)] == [500, 500, 1]
    assert [len(batch) for batch in batches(large)] == [1, 1]
    assert [*batches([])] == []


def change(number: int) -> dict[str, Any]:
    told = {"type": "job.created", "target": f"job:{number}", "actor": "ada", "data": {}, "new": True}
    return {"cursor": f"c{number}", "at": "2026-01-01T00:00:00Z", **told}


@both_ways
async def test_changes_are_followed_and_gone_on_from_where_they_were(way: str) -> None:
    """Behind each change, behind nothing at all, and behind a failure."""
    answers = [
        success(changes=[], next_cursor="c0"),
        success(changes=[change(1), change(2)], next_cursor="c2+"),
        failure("INTERNAL", 500),
        success(changes=[change(3)], next_cursor="c3+"),
        failure("FAILED_PRECONDITION", 410),
    ]
    seen: list[Any] = []

    async def follow(client: AsyncClient) -> None:
        feed = client.changes(wait=1, all=True)
        for _ in range(2):
            seen.extend([(await anext(feed)).target, feed.cursor])
        with pytest.raises(ApiError):
            await anext(feed)
        async for each in feed:
            seen.extend([each.target, feed.cursor])

    def follow_in_thread(client: Client) -> None:
        feed = client.changes(wait=1, all=True)
        for _ in range(2):
            seen.extend([next(feed).target, feed.cursor])
        with pytest.raises(ApiError):
            next(feed)
        for each in feed:
            seen.extend([each.target, feed.cursor])

    with faulty_service(*answers) as service, pytest.raises(Gone):
        await run(service, way, follow if way == "async" else follow_in_thread)

    assert seen == ["job:1", "c1", "job:2", "c2+", "job:3", "c3+"]
    assert [request.target.partition("?")[2] for request in service.asked] == [
        "wait=1&all=true",
        *(f"after={cursor}&wait=1&all=true" for cursor in ("c0", "c2%2B", "c2%2B", "c3%2B")),
    ]


@both_ways
async def test_service_that_does_not_wait_for_changes_is_not_asked_all_the_time(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is about to end."""
    monkeypatch.setattr(feed, "MIN_WAIT", 0.1)
    nothing = success(changes=[], next_cursor="c0")
    with faulty_service(*[nothing] * 4, success(changes=[change(1)], next_cursor="c1")) as service:
        begun = monotonic()
        work: Work = lambda client: (anext if way == "async" else next)(client.changes(wait=1))  # noqa: E731 - of both
        found = await run(service, way, work)

    assert found.target == "job:1"
    assert monotonic() - begun >= 0.3  # of four that found nothing, the first had no cursor to wait at
    assert len(service.asked) == 5


def test_client_shares_no_connection_with_a_process_that_is_forked() -> None:
    """On one that is shared, each process reads what the other one asked for."""
    with faulty_service() as service, Client(service.url, "fp_x", retries=QUICK) as client:
        client.list_pipelines().all()
        before = client._http
        child = os.fork()
        if child == 0:  # whose thread of the service is gone: it asks the parent's
            try:
                client.list_pipelines().all()
                os._exit(0 if client._http is not before and not before.is_closed else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.list_pipelines().all()
        assert client._http is before


def test_async_client_works_in_one_event_loop_after_the_other() -> None:
    with faulty_service() as service, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of connections whose event loop has ended
        client = AsyncClient(service.url, "fp_x", retries=QUICK)
        for _ in range(3):
            assert asyncio.run(client.list_pipelines().all()) == []
            gc.collect()
        asyncio.run(client.close())

        with pytest.raises(RuntimeError, match="closed"):
            asyncio.run(client.list_pipelines().all())
        del client
        gc.collect()


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_time_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="is no time that a call may take"):
        Client("http://127.0.0.1:1", "fp_x", timeout=timeout)
    with Client("http://127.0.0.1:1", "fp_x") as client, pytest.raises(ValueError, match="is no time"):
        client.get_me(timeout=timeout)


def test_token_may_be_a_function_that_is_asked_for_each_call() -> None:
    tokens = iter(["fp_1", "fp_2"])
    with faulty_service() as service, Client(service.url, lambda: next(tokens)) as client:
        client.list_pipelines().all()
        client.list_pipelines().all()

    assert [request.headers["authorization"] for request in service.asked] == ["Bearer fp_1", "Bearer fp_2"]


def test_values_are_sent_as_json_has_them() -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    with faulty_service(*[success()] * 3) as service, Client(service.url, "fp_x") as client:
        for call in (
            lambda: client.put_user_grant(ID, "a/b", [Permission.READ], expires_at=end, if_none_match="*"),
            lambda: client.update_user("ada", display_name=None, disabled=False),
            lambda: client.list_tokens(all=True, expires_after=end).all(),
        ):
            with pytest.raises(UnexpectedAnswer):
                call()

    put, patch, get = service.asked
    assert (put.method, put.target) == ("PUT", f"/api/v1/flow/pipeline/{ID}/grants/users/a%2Fb")
    assert put.body == {"permissions": ["flow_pipeline:read"], "expires_at": "2030-01-01T00:00:00+00:00"}
    assert put.headers["if-none-match"] == "*"
    assert patch.body == {"disabled": False, "display_name": None}
    assert get.target == "/api/v1/tokens?all=true&expires_after=2030-01-01T00%3A00%3A00%2B00%3A00"
