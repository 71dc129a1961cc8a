"""The tables that `make scale` prints."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from tests.scale.calls import CALLS, Place, cost_of
from tests.scale.changes import BATCH, Left, hot_share, left_by, ordered_ids, random_ids, register, sizes, update
from tests.scale.filling import Raw, Size
from tests.scale.sizes import relations

FEW: Final = 5
"""Calls by a generic plan, which may read all that an organization has of the trail."""


async def report_sizes(raw: Raw) -> None:
    print("| table | relation | rows | MB | bytes a row | levels | rows a leaf | fan-out |")
    print("|---|---|---|---|---|---|---|---|")
    for each in await relations(raw, at_least=100):
        form = [f"{value:,.0f}" if value else "" for value in (each.levels, each.leaf_entries, each.fan_out)]
        cells = (
            each.table,
            each.name,
            f"{each.rows:,}",
            f"{each.bytes / 1e6:,.1f}",
            f"{each.bytes_per_row:.0f}",
            *form,
        )
        print(f"| {' | '.join(cells)} |", flush=True)


async def report_calls(raw: Raw, places: list[Place]) -> None:
    print("\n| call | blocks: chosen plan | generic | ms: chosen | generic | most of the blocks |")
    print("|---|---|---|---|---|---|")
    for name in CALLS:
        chosen = await cost_of(raw, name, places, generic=False)
        generic = await cost_of(raw, name, places[:FEW], generic=True)
        most = sorted(chosen.by_relation.items(), key=lambda item: -item[1])[:6]
        shares = ", ".join(f"{relation} {blocks:,.0f}" for relation, blocks in most if blocks)
        blocks, ms = (
            f"{chosen.blocks:,.0f} | {generic.blocks:,.0f}",
            f"{chosen.milliseconds:.2f} | {generic.milliseconds:.2f}",
        )
        print(f"| {name} | {blocks} | {ms} | {shares} |", flush=True)


async def report_changes(raw: Raw, places: Sequence[Place]) -> None:
    print("\n| change | log, bytes | whole pages, bytes | transactions | of these bytes |\n|---|---|---|---|---|")
    half = len(places) // 2
    lone, crowd = places[:half], places[half:]
    kinds = (
        ("update, first since a checkpoint", len(lone), lambda: update(raw, lone), True),
        ("update, again", len(lone), lambda: update(raw, lone, back=True), False),
        (f"update, {BATCH} at once", len(crowd), lambda: update(raw, crowd, batch=BATCH), True),
        (f"update, {BATCH} at once, again", len(crowd), lambda: update(raw, crowd, back=True, batch=BATCH), False),
        ("new job, random id", half, lambda: register(raw, places[0], random_ids(half)), True),
        ("new job, id by time", half, lambda: register(raw, places[0], ordered_ids(half)), True),
    )
    for name, count, change, checkpoint in kinds:
        print(_row(name, await left_by(raw, count, change, checkpoint=checkpoint)), flush=True)
    print(f"\nUpdates of jobs that touched no index: {await hot_share(raw, 'jobs'):.0%}")


def _row(name: str, left: Left) -> str:
    most = sorted(left.by_manager.items(), key=lambda item: -item[1])[:3]
    shares = ", ".join(f"{manager} {size:,.0f}" for manager, size in most)
    return f"| {name} | {left.log:,.0f} | {left.pages:,.0f} | {left.transactions:.2f} | {shares} |"


async def report_churn(raw: Raw, places: Sequence[Place], rounds: int) -> None:
    """Update every job so many times, while autovacuum does what it does by itself."""
    grown = [await sizes(raw)]
    for number in range(rounds):
        await update(raw, places, back=bool(number % 2), batch=BATCH)
        grown.append(await sizes(raw))
    print(f"\n| relation | MB | {' | '.join(f'after {n}' for n in range(1, rounds + 1))} |\n|---|---|{'---|' * rounds}")
    for name, before in grown[0].items():
        factors = " | ".join(f"{after[name] / before:.2f} x" for after in grown[1:])
        print(f"| {name} | {before / 1e6:,.1f} | {factors} |", flush=True)
    print(f"\nUpdates of jobs that touched no index: {await hot_share(raw, 'jobs'):.0%}")


Plans: TypeAlias = Mapping[str, tuple[frozenset[str], frozenset[str]]]
"""By call, what its generic plan uses, and what the plan for its arguments does."""


def report_plans(size: Size, times: int, before: Plans, after: Plans) -> None:
    """Say by which indexes each call is planned at so many times the size."""
    print(f"\n## Planned for {size.jobs * times:,} jobs")
    for number, kind in enumerate(("generic plan", "plan for its arguments")):
        print(f"\n| call | {kind}, by | at {size.jobs:,} |\n|---|---|---|")
        for name, plans in before.items():
            now, former = after[name][number], plans[number]
            print(f"| {name} | {_ways(now)} | {'the same' if now == former else _ways(former)} |", flush=True)


def _ways(ways: frozenset[str]) -> str:
    return ", ".join(sorted(ways))
