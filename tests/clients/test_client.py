"""The Python client of clients/python: made of the method table, typed for its users, and used on a running service."""

import ast
import importlib.metadata
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import httpx
import pytest

import flow_pipelines_client
from flow_pipelines_client import (
    ApiError,
    AsyncClient,
    Client,
    NotFound,
    Permission,
    PreconditionFailed,
    Retries,
    Role,
    answers,
    attempts,
    models,
)
from flow_pipelines_client.async_operations import AsyncOperations
from flow_pipelines_client.operations import Operations
from service.http.openapi.examples import EXAMPLES
from service.http.routes import ROUTES, Route
from tests.process.running import ROOT
from tests.python_client.files import files
from tests.python_client.operations import answer_name, parameters

every_call = pytest.mark.parametrize("route", ROUTES, ids=[route.operation.__name__ for route in ROUTES])

EXAMPLE_USER = """
import asyncio
from datetime import UTC, datetime
from uuid import UUID

from flow_pipelines_client import UNSET, ApiError, AsyncClient, Client, NotFound, Permission, Pipeline, Retries, Scope
from flow_pipelines_client import UpdateJobPipelinesInput


def first(url: str, token: str) -> list[str]:
    with Client(url, token, retries=Retries(attempts=2)) as client:
        for pipeline in client.list_pipelines(permission=Permission.EXECUTE):
            identity: UUID = pipeline.id
            held: list[Permission] = pipeline.permissions
            print(identity, held)
        answer = client.get_pipeline(identity)
        named: Pipeline = answer.pipeline
        print(named.name)
        tag: str | None = answer.etag
        client.update_pipeline(identity, name="x", if_match=tag)
        client.update_user("ada", email=None, display_name=UNSET, role="admin")
        client.create_token(scopes=["flow_pipeline:read", Scope.ADMIN])
        client.put_user_grant(identity, "ada", [Permission.READ], expires_at=datetime.now(UTC))
        for page in client.list_audit(page_size=10).by_page():
            print(page.next_page_token, [entry.after for entry in page.audit])
        update = UpdateJobPipelinesInput(job_id="4711", pipeline_ids=[identity, str(identity)])
        verdicts = [*client.update_jobs([update])]
        return [verdict.job_id for verdict in verdicts]


async def second(url: str, token: str) -> datetime | None:
    async with AsyncClient(url, token) as client:
        try:
            job = (await client.get_job("4711")).job
        except NotFound as error:
            print(error.code, error.details, error.request_id)
            return None
        except ApiError:
            raise
        names: list[str] = [user.username async for user in client.list_users()]
        print(names)
        return job.created_at


asyncio.run(second("http://127.0.0.1:8080", "fp_x"))
"""

MISTAKES = """
from flow_pipelines_client import Client

client = Client("http://127.0.0.1:8080", "fp_x")
client.list_pipelines(nme="x")  # call-arg
client.list_pipelines(permission="flow_pipeline:exec")  # arg-type
client.get_pipeline("x").pipeline.titel  # attr-defined
client.update_job_pipelines("4711")  # call-arg
"""


def test_generated_files_are_those_that_are_committed() -> None:
    for path, text in files().items():
        assert path.read_text() == text, "run `make client`"


def test_methods_are_the_rows_of_the_table_in_both_ways() -> None:
    names = [route.operation.__name__ for route in ROUTES]
    for kind in (Operations, AsyncOperations):
        assert [name for name, each in vars(kind).items() if inspect.isfunction(each)] == names


@every_call
async def test_call_is_that_of_the_row_and_its_example_is_read(route: Route) -> None:
    """Each method sends what its row says, in both ways; an answer has all that the example has."""
    sent: list[httpx.Request] = []
    example = EXAMPLES[route.operation.__name__].response

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=dict(example))

    required = {each.name: sample(each.kind) for each in parameters(route) if not each.default}
    with Client("http://service", "fp_x", http=httpx.Client(transport=httpx.MockTransport(answer))) as client:
        found = getattr(client, route.operation.__name__)(**required)
        first = found.first() if hasattr(found, "first") else found
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with AsyncClient("http://service", "fp_x", http=http) as other:
        awaited = getattr(other, route.operation.__name__)(**required)
        same = await (awaited.first() if hasattr(awaited, "first") else awaited)
        assert replace(same, request_id=first.request_id) == first

    request, by_asyncio = sent
    assert (by_asyncio.method, by_asyncio.url, by_asyncio.content) == (request.method, request.url, request.content)
    path = request.url.raw_path.decode().partition("?")[0]
    assert request.method == route.method
    assert [*map(step_fits, path.split("/"), route.path.split("/"))].count(False) == 0
    kind = answers.Answer if answer_name(route) == "Answer" else getattr(models, answer_name(route).partition(".")[2])
    assert type(first) is kind
    assert_has(first, {name: value for name, value in example.items() if name not in {"status", "next_page_token"}})


def sample(kind: str) -> Any:
    return [] if kind.startswith("Iterable") else "8c400d55-15d4-41f9-b306-ec2836898d83"


def step_fits(step: str, template: str) -> bool:
    return step == template or template.startswith("{")


def assert_has(found: Any, example: Any) -> None:
    """Check that an answer has what JSON has."""
    keys = {each.metadata.get("key", name): name for name, each in type(found).__dataclass_fields__.items()}
    for key, value in example.items():
        one = getattr(found, keys[key])
        if isinstance(value, list):
            assert len(one) == len(value)
        elif isinstance(value, dict) and hasattr(one, "__dataclass_fields__"):
            assert_has(one, value)
        elif isinstance(one, UUID | str | int | dict | None):
            assert (str(one) if isinstance(one, UUID) else one) == value


@pytest.mark.parametrize("kind", [each for each in vars(models).values() if hasattr(each, "__dataclass_fields__")])
def test_types_of_models_can_be_resolved(kind: type) -> None:
    assert get_type_hints(kind)


def test_program_of_a_user_is_checked_strictly(tmp_path: Path) -> None:
    """In an installation like theirs: by the package alone, with py.typed."""
    (tmp_path / "use.py").write_text(EXAMPLE_USER)
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "use.py", "mistakes.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "clients/python"), "MYPY_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    expected = [
        f"mistakes.py:{n}: {line.partition('# ')[2]}" for n, line in enumerate(MISTAKES.splitlines(), 1) if "# " in line
    ]
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [f"{line.split(': ')[0]}: {line.rpartition('[')[2][:-1]}" for line in errors] == expected, done.stdout
    assert (ROOT / "clients/python/flow_pipelines_client/py.typed").exists()


def test_package_needs_nothing_of_the_service() -> None:
    code = "import sys, flow_pipelines_client; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "clients/python",
        capture_output=True,
        text=True,
        check=True,
    )

    assert not {"service", "aiohttp", "marshmallow", "asyncpg"} & {*done.stdout.split()}


def test_version_is_that_of_the_installed_package() -> None:
    try:
        assert importlib.metadata.version("flow-pipelines-client") == attempts.VERSION
    except importlib.metadata.PackageNotFoundError:
        assert attempts.VERSION == "0"


def test_everything_that_is_exported_is_there() -> None:
    assert [name for name in flow_pipelines_client.__all__ if not hasattr(flow_pipelines_client, name)] == []
    errors = [each for each in vars(flow_pipelines_client.errors).values() if isinstance(each, type)]
    assert {each.__name__ for each in errors if issubclass(each, ApiError)} <= {*flow_pipelines_client.__all__}


# ---- on a running service


def seeds_first_example(url: str, token: str) -> list[str]:
    with Client(url, token) as client:
        return [f"{each.id} {each.name} {each.permissions} {each.is_manager}" for each in client.list_pipelines()]


def test_client_for_threads_works_on_a_running_service(running: dict[str, str]) -> None:
    with Client(running["SERVER"], running["TOKEN"]) as client:
        pipelines = client.list_pipelines(permission=Permission.EXECUTE, page_size=3).all()
        assert [each.id for each in pipelines] == [each.id for each in client.list_pipelines()]
        assert len(seeds_first_example(running["SERVER"], running["TOKEN"])) == len(pipelines)

        made = client.put_job("client:1", name="by the client")
        assert (made.created, made.job.name, made.etag) == (True, "by the client", None)
        assert not client.put_job("client:1").created
        ids = [each.id for each in pipelines[:2]]
        updated = client.update_job_pipelines("client:1", ids).updated_pipelines
        assert [each.flow_pipeline_id for each in updated] == ids

        read = client.get_job("client:1")
        tag = client.list_job_pipelines(job_id="client:1").first().etag
        assert client.update_job_pipelines("client:1", [], if_match=tag).updated_pipelines == []
        with pytest.raises(PreconditionFailed):
            client.put_job("client:1", name="x", if_match=read.etag)
        with pytest.raises(PreconditionFailed):
            client.put_job("client:1", if_none_match="*")

        with pytest.raises(NotFound) as told:
            client.get_job("none")
        assert told.value.code == "NOT_FOUND"
        assert len(told.value.request_id) == 32
        with pytest.raises(flow_pipelines_client.InvalidArgument) as wrong:
            client.update_job_pipelines("client:1", ["x"])
        assert all(name.startswith("pipeline_ids") for name in wrong.value.details)
        updates = [
            models.UpdateJobPipelinesInput(job_id="client:1", pipeline_ids=ids),
            models.UpdateJobPipelinesInput(job_id="none", pipeline_ids=ids),
        ]
        assert [verdict.status for verdict in client.update_jobs(updates)] == ["OK", "ERROR"]


async def test_client_for_asyncio_works_on_a_running_service(running: dict[str, str]) -> None:
    async with AsyncClient(running["SERVER"], running["TOKEN"], retries=Retries(attempts=1)) as client:
        me = (await client.get_me()).user
        assert me.role is Role.ADMIN
        pipeline = (await client.create_pipeline("Of the client", description="ä")).pipeline
        grants = await client.list_grants(pipeline.id, page_size=1000).first()
        grant = models.GrantInSetInput(permissions=[Permission.READ], user=me.username, is_manager=True)
        replaced = await client.replace_grants(pipeline.id, [grant], if_match=grants.etag)
        assert [(each.username, each.is_manager) for each in replaced.grants] == [(me.username, True)]
        listed = client.list_pipelines(name="of the", page_size=1)
        assert [each.id async for each in listed] == [pipeline.id]
        total = await client.list_users(total=True, order_by="-username", page_size=1).first()
        assert total.total_size
        assert len([page async for page in client.list_audit(page_size=5).by_page()]) > 0
        await client.delete_pipeline(pipeline.id)
        with pytest.raises(NotFound):
            await client.get_pipeline(pipeline.id)


def test_changes_of_a_running_service_are_followed(running: dict[str, str]) -> None:
    with Client(running["SERVER"], running["TOKEN"]) as client:
        feed = client.changes(wait=5)
        feed._keep(feed._run(feed._call()))  # from now on
        client.put_job("client:followed")
        (pipeline, *_) = client.list_pipelines()
        client.add_pipeline_job(pipeline.id, "client:followed")
        first, second = next(feed), next(feed)
        again = next(client.changes(after=first.cursor))

    assert (first.type, first.target) == ("job.created", "job:client:followed")
    assert (second.type, second.data["added"]) == ("job.pipelines_changed", [str(pipeline.id)])
    assert again == second


README = ROOT / "clients/python/README.md"
HOW_TO = ROOT / "docs/how-to/use-the-python-client.md"


def blocks_of(page: Path) -> list[str]:
    """Return the Python of a page."""
    return [each.partition("```")[0] for each in page.read_text().split("```python\n")[1:]]


def test_examples_of_the_seed_take_five_lines_each() -> None:
    blocks = blocks_of(README)[:2]

    assert all(len([line for line in block.splitlines() if line]) <= 5 for block in blocks)


async def test_examples_of_the_pages_work(running: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """But for the feed, which has no end."""
    address, token = running["SERVER"], running["TOKEN"]
    with Client(address, token) as client:
        ids = [each.id for each in client.list_pipelines()][:2]
        client.put_job("client:examples")
        names = {
            "client": client,
            "token": token,
            "url": address,
            "job_id": "client:examples",
            "pipeline_id": ids[0],
            "pipeline_ids": ids,
            "first_id": ids[0],
            "second_id": ids[1],
            "wanted": {"client:examples": ids},
            "AsyncClient": AsyncClient,
        }
        for block in [*blocks_of(README), *blocks_of(HOW_TO)]:
            if "client.changes" in block:
                continue
            source = block.replace('"https://pipelines.example.com"', "url")
            code = compile(source, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            done = eval(code, {**names})  # noqa: S307 - our own pages, in which await stands alone
            if inspect.isawaitable(done):
                await done

    printed = capsys.readouterr().out
    assert printed.count(str(ids[0])) >= 4
    assert "no such job" in printed
