"""The time that the page's script takes with 2,000 rows: `python -m tests.bench.page`, or with some lists' names.

What counts is CPU time of the page's main thread, as the browser's own trace has it, so that what else the machine does
adds little; and of each action the longest task, for that is what a person waits for, and the nodes that come and go.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiohttp import ClientSession
from playwright.async_api import async_playwright, expect

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.admin.browser import NONE, Desk, Visit, find_browser, launch
from tests.admin.large import Large, large
from tests.factories import World
from tests.process.running import running_service

ROWS: Final = 2000
CATEGORIES: Final = ["toplevel", "devtools.timeline", "v8.execute"]
TASK: Final = "ThreadControllerImpl::RunTask"
SCRIPT: Final = frozenset(("RunMicrotasks", "FunctionCall", "EvaluateScript", "v8.callFunction", "TimerFire"))
COUNT: Final = """
window.changed = 0;
new MutationObserver((all) => {
  for (const each of all) window.changed += each.addedNodes.length + each.removedNodes.length;
}).observe(document, {childList: true, subtree: true});
"""
"""Counts nodes that come and go, of those that script has put in or taken out by themselves."""

FILL: Final = """async (rows) => {
  const shown = () => document.querySelectorAll(".list tbody tr").length;
  const more = () => [...document.querySelectorAll(".list-end button")].find((each) => !each.hidden);
  while (shown() < rows && more()) {
    const before = shown();
    more().click();
    while (shown() === before) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return shown();
}"""

FOLLOW: Final = """(path) => {
  const link = Object.assign(document.createElement("a"), {href: `/admin${path}`});
  document.body.append(link);
  link.click();
  link.remove();
}"""
"""Follows a link. Finding things by their roles, as tests do, is work for the page, and would be counted."""

SELECT: Final = """(last) => {
  const boxes = document.querySelectorAll(".list .pick input");
  boxes[1].click();
  boxes[last - 1].dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, shiftKey: true}));
}"""


@dataclass(frozen=True)
class Cost:
    """What an action costs the page's main thread: milliseconds of CPU, and nodes that came or went."""

    total: float
    script: float
    longest_task: float
    longest_script: float
    changed: int


@dataclass(frozen=True)
class Tried:
    """A list with 2,000 rows, and how it is used."""

    path: str
    search: tuple[str, str] | None = None
    """Where it is searched, and what is typed."""
    order: bool = False
    """Whether it is ordered by the head of a column."""
    selected: bool = False
    touch: Callable[["Api", Large], Awaitable[None]] | None = None
    """Changes something that the open list follows."""


class Api:
    """Calls of the administrator, as of another person at the same time."""

    def __init__(self, session: ClientSession, api: str, headers: dict[str, str]) -> None:
        self._session = session
        self._api = f"{api}/api/v1"
        self._headers = headers

    async def call(self, method: str, path: str, body: Any = None) -> None:
        async with self._session.request(method, self._api + path, json=body, headers=self._headers) as answer:
            assert answer.status < 300, await answer.text()


async def put_job(api: Api, made: Large) -> None:
    await api.call("PUT", f"/flow/pipeline/{made.pipeline}/jobs/case-04000")


async def create_pipeline(api: Api, _: Large) -> None:
    await api.call("POST", "/flow/pipeline", {"name": "pipeline one more"})


SEARCH: Final = ".filter.main input"
TARGET: Final = ".filter input[placeholder^='as in']"
LISTS: Final[dict[str, Tried]] = {
    "pipelines": Tried("/pipelines", (SEARCH, "line 0100"), touch=create_pipeline),
    "users": Tried("/users", (SEARCH, "user-0100"), True, True),
    "members": Tried("/groups/reviewers", (SEARCH, "user-0100"), True, True),
    "grants": Tried("/groups/reviewers/grants", (SEARCH, "line 0100"), True),
    "jobs": Tried("/jobs", (SEARCH, "case-0100"), True, True),
    "queue": Tried("/pipelines/{pipeline}/queue", (SEARCH, "case-0100"), True, True, put_job),
    "tokens": Tried("/tokens/all", None, True),
    "audit": Tried("/audit", (TARGET, "job:case-00100"), True),
}


class Trial:
    """A visit whose actions are traced."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    @asynccontextmanager
    async def measured(self, name: str, found: dict[str, Cost]) -> AsyncIterator[None]:
        page = self.visit.page
        browser = page.context.browser
        assert browser is not None
        await page.wait_for_timeout(300)
        await page.evaluate("window.changed = 0")
        await browser.start_tracing(page=page, categories=CATEGORIES)
        yield
        await page.wait_for_timeout(900)
        trace = json.loads(await browser.stop_tracing())
        found[name] = cost(trace["traceEvents"], await page.evaluate("window.changed"))

    async def until(self, condition: str) -> None:
        """Wait until something is so, without having the page do more than it must."""
        rows = "document.querySelectorAll('.list tbody:not([hidden]) tr').length"
        said = f"!document.querySelector('[aria-busy=true]') && ((rows) => {condition})({rows})"
        async with asyncio.timeout(120):
            while not await self.visit.page.evaluate(said):  # noqa: ASYNC110 - the browser tells nobody
                await asyncio.sleep(0.1)

    async def fill(self) -> int:
        return int(await self.visit.page.evaluate(FILL, ROWS))


def cost(events: Sequence[dict[str, Any]], changed: int) -> Cost:
    """Return what a trace says of the page's main thread."""
    mains = {
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    spans = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) in mains and "tdur" in e]
    tasks = [e for e in spans if e["name"] == TASK]
    scripts: list[float] = []
    for task in tasks:
        end, total, until = task["ts"] + task["dur"], 0.0, 0.0
        inside = (e for e in spans if e["name"] in SCRIPT and e["pid"] == task["pid"] and task["ts"] <= e["ts"] < end)
        for span in sorted(inside, key=lambda e: (e["ts"], -e["dur"])):
            if span["ts"] >= until:  # and is not within another
                total, until = total + span["tdur"], span["ts"] + span["dur"]
        scripts.append(total / 1000)
    times = [task["tdur"] / 1000 for task in tasks]
    return Cost(sum(times), sum(scripts), max(times, default=0), max(scripts, default=0), changed)


async def try_list(visit: Visit, tried: Tried, api: Api, made: Large) -> dict[str, Cost]:
    """Use a list of 2,000 rows in all ways; return what each cost."""
    found: dict[str, Cost] = {}
    trial, page = Trial(visit), visit.page
    path = tried.path.format(pipeline=made.pipeline)
    async with trial.measured("first rows", found):
        await page.evaluate(FOLLOW, path)
        await trial.until("rows === 50")
    number = await trial.fill()
    await page.evaluate("document.querySelectorAll('.list tbody tr')[1500].scrollIntoView()")
    async with trial.measured("leave", found):
        await page.evaluate(FOLLOW, "/nowhere")
        await trial.until("rows === 0")
    async with trial.measured("come back", found):
        await page.go_back()
        await trial.until(f"rows === {number}")
    if tried.selected:
        async with trial.measured("select by Shift", found):
            await page.evaluate(SELECT, number)
        await page.evaluate(SELECT, 1)
    if tried.touch:
        await page.evaluate("document.activeElement.blur()")
        async with trial.measured("follow a change", found):
            await tried.touch(api, made)
            await trial.until("window.changed > 0")
    if tried.order:
        async with trial.measured("order", found):
            await page.evaluate("document.querySelector('.list thead .order').click()")
            await trial.until("window.changed > 0 && rows <= 50")
        await trial.fill()
    if tried.search:
        await page.evaluate("(which) => document.querySelector(which).focus()", tried.search[0])
        async with trial.measured("search", found):
            await page.keyboard.type(tried.search[1], delay=30)
            await trial.until("window.changed > 0 && rows <= 50")
    return found


async def try_paste(visit: Visit) -> dict[str, Cost]:
    """Paste 2,000 usernames, half of them new."""
    found: dict[str, Cost] = {}
    trial, page = Trial(visit), visit.page
    await visit.follow("/users")
    async with trial.measured("open", found):
        await page.evaluate("document.querySelector('.page-title .actions button').click()")
        await page.wait_for_selector("dialog textarea")
    names = "\n".join(f"user-{1000 + number:05}" for number in range(ROWS))
    await page.evaluate("(text) => navigator.clipboard.writeText(text)", names)
    await page.focus("dialog textarea")
    async with trial.measured("paste", found):
        await page.keyboard.press("Control+V")
        await page.wait_for_selector("dialog .preview li", state="attached")
    async with trial.measured("one more key", found):
        await page.keyboard.type("x")
    await visit.close_dialogs()
    return found


async def try_picker(visit: Visit) -> dict[str, Cost]:
    """Choose among 2,000 users."""
    found: dict[str, Cost] = {}
    trial = Trial(visit)
    await visit.follow("/groups/reviewers")
    await visit.box("Add a member").focus()
    async with trial.measured("type", found):
        await visit.page.keyboard.type("user-0", delay=30)
    await expect(visit.page.get_by_role("option")).to_have_count(8)
    return found


async def measure(origin: str, made: Large, wanted: Sequence[str]) -> dict[str, dict[str, Cost]]:
    """Return what each action costs, by list."""
    program = find_browser()
    if program is None:
        raise RuntimeError(NONE)
    found: dict[str, dict[str, Cost]] = {}
    async with async_playwright() as playwright, ClientSession() as session:
        browser = await launch(playwright, program)
        api = Api(session, origin, made.admin.headers)
        async with Desk(browser, origin).visit(made.admin, "/pipelines") as visit:
            await visit.page.evaluate(COUNT)
            for name, tried in LISTS.items():
                if not wanted or name in wanted:
                    found[name] = await try_list(visit, tried, api, made)
            if not wanted or "paste" in wanted:
                found["paste"] = await try_paste(visit)
            if not wanted or "picker" in wanted:
                found["picker"] = await try_picker(visit)
        await browser.close()
    return found


async def fill(dsn: str) -> Large:
    """Fill a database."""
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    made = await large(await World.create(raw), users=ROWS + 1, members=ROWS, tokens=ROWS)
    await raw.execute("VACUUM ANALYZE")
    await raw.close()
    return made


def show(found: dict[str, dict[str, Cost]]) -> None:
    """Print a table."""
    print("| list | action | nodes changed | CPU ms | of script | longest task | longest script |")
    print("|---|---|---|---|---|---|---|")
    for name, actions in found.items():
        for action, each in actions.items():
            print(
                f"| {name} | {action} | {each.changed:,} | {each.total:.0f} | {each.script:.0f} |"
                f" {each.longest_task:.0f} | {each.longest_script:.0f} |"
            )


def main() -> None:
    """Measure on a database of its own."""
    with tempfile.TemporaryDirectory() as path, embedded_postgres(Path(path) / "postgres", ()) as dsn:
        made = asyncio.run(fill(dsn))
        with running_service(Path(path), dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")) as service:
            service.wait_until("/readyz", 200)
            show(asyncio.run(measure(service.api, made, sys.argv[1:])))


if __name__ == "__main__":
    main()
