"""Seals of the audit trail: proofs of entries, by an implementation of their own here."""

import asyncio
import hashlib

import pytest

from service.audit.sealing import Sealer
from service.database.pool import Database
from service.errors import Unavailable
from service.repositories.audit_seals import MAX_ENTRIES
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def seal_all(database: Database) -> None:
    while (made := await Sealer(database, 60).seal()) is not None and len(made.hashes) == MAX_ENTRIES:
        pass


def root_by(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root as RFC 9162 §2.1.3.2 verifies an inclusion proof."""
    fn, sn, found = index, size - 1, leaf
    for each in path:
        if fn & 1 or fn == sn:
            found = hashlib.sha256(b"\1" + each + found).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = hashlib.sha256(b"\1" + found + each).digest()
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return found


async def test_proof_of_an_entry_leads_to_the_root_of_its_seal(
    client: Client, world: World, database: Database
) -> None:
    admin = As.member(client, await world.user("root", role="admin"))
    for number in range(5):
        await admin("PUT", f"/jobs/{number}", {})
    ids = [each["id"] for each in (await admin.get("/audit")).body["audit"]]
    before = await admin.get(f"/audit/{ids[0]}/proof")
    await seal_all(database)

    assert (before.status, before.code) == (400, "FAILED_PRECONDITION")
    for each in ids:
        proof = (await admin.get(f"/audit/{each}/proof")).body
        leaf = hashlib.sha256(b"\0" + proof["leaf"].encode()).digest()
        path = [bytes.fromhex(one) for one in proof["inclusion_path"]]
        assert leaf.hex() == proof["leaf_hash"]
        assert root_by(leaf, proof["leaf_index"], proof["tree_size"], path).hex() == proof["seal"]["root"]
    assert (await admin.get("/audit/999999999/proof")).status == 404
    assert (await admin.get("/audit/x/proof")).status == 404


async def test_seal_is_never_changed_by_the_service(database: Database) -> None:
    async with database.connection() as connection:
        row = await connection.fetch_one(
            "privileges",
            "SELECT has_table_privilege('audit_seals', 'UPDATE') OR has_table_privilege('audit_seals', 'DELETE')"
            " OR has_table_privilege('audit_seals', 'TRUNCATE') AS may",
        )
    assert row["may"] is False


async def test_sealer_counts_failures_in_a_row(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = Sealer(database, 0.001)
    outcomes: list[Exception | None] = [Unavailable("away"), RuntimeError("a fault"), None, Unavailable("away")]
    counted, ended = list[float](), asyncio.Event()

    async def seal() -> None:
        counted.extend(sample.value for metric in sealer.collect() for sample in metric.samples)
        if not outcomes:
            ended.set()
            await asyncio.Event().wait()
        if error := outcomes.pop(0):
            raise error

    monkeypatch.setattr(sealer, "seal", seal)
    sealing = asyncio.create_task(sealer.seal_forever())
    await asyncio.wait_for(ended.wait(), 5)
    sealing.cancel()

    assert counted == [0, 1, 2, 0, 1]
