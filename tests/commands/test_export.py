"""The command `export`."""

import re
from pathlib import Path
from uuid import UUID

from service.database.migrations import migrate
from tests.commands.forked import run
from tests.factories import World


def dumped(dsn: str, directory: Path, *options: str) -> bytes:
    file = directory / "export.ndjson"
    done = run("export", str(file), *options, DATABASE_URL=dsn)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Exported [\d,]+ records in \d+\.\d s\.\n", done.stderr)
    assert [path.name for path in directory.iterdir()] == ["export.ndjson"]
    assert file.stat().st_mode & 0o077 == 0
    content = file.read_bytes()
    file.unlink()
    return content


async def provide(world: World, user_id: UUID, group: UUID) -> None:
    """Link a user to an identity provider, and have it manage two users and a group, one of them no more."""
    await world.raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject, last_used_at)"
        " VALUES ($1, gen_random_uuid(), $2, 'https://id.example', 'b|1', now())",
        world.id,
        user_id,
    )
    gone = await world.user("gone")
    await world.raw.execute(
        "INSERT INTO provisioned_users (organization_id, user_id, external_id, gives_role, deprovisioned)"
        " VALUES ($1, $2, '7', true, false), ($1, $3, NULL, false, true)",
        world.id,
        user_id,
        gone.id,
    )
    columns = "INSERT INTO provisioned_groups (organization_id, group_id, external_id) VALUES ($1, $2, 'G')"
    await world.raw.execute(columns, world.id, group)


async def test_export_imported_elsewhere(dsn: str, empty_dsn: str, world: World, tmp_path: Path) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    group = await world.group(bob, name="g")
    pipelines = [await world.pipeline(name) for name in ("Ärger", "b")]
    await world.grant(pipelines[0], group, 32)
    await world.grant(pipelines[1], bob, 5)
    await world.token(ada.id, scopes=1 | 64)
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", ada.id)
    await world.raw.execute(
        "UPDATE users SET display_name = 'Bøb', display_name_key = 'bøb', email = 'B@x', email_key = 'b@x'"
        " WHERE id = $1",
        bob.id,
    )
    await world.job(bob, pipelines[1], pipelines[0])
    columns = "INSERT INTO deleted_users (organization_id, id, username) VALUES ($1, gen_random_uuid(), 'former')"
    await world.raw.execute(columns, world.id)
    await provide(world, bob.id, group)
    first = dumped(dsn, tmp_path, "--organization", str(world.id), "--with-tokens")
    await migrate(empty_dsn)

    imported = run("import", "-", given=first.decode(), DATABASE_URL=empty_dsn)

    assert imported.returncode == 0, imported.stderr
    assert dumped(empty_dsn, tmp_path, "--with-tokens") == first
    assert first.count(b"\n") == 22
    assert ada.token.encode() not in first
    assert '"display_name":"Bøb","email":"B@x"'.encode() in first


async def test_export_has_no_digests_unless_asked_for(dsn: str, empty_dsn: str, world: World, tmp_path: Path) -> None:
    """Imported elsewhere, no token works there; the rest is there, and that tokens are missing is said."""
    ada = await world.user("ada", role="admin")
    await world.token(ada.id)
    digests = await world.raw.fetch("SELECT encode(digest, 'hex') FROM tokens WHERE organization_id = $1", world.id)

    content = dumped(dsn, tmp_path, "--organization", str(world.id)).decode()

    assert content.count('"type":"token"') == 2
    assert [digest for (digest,) in digests if digest in content] == []
    assert "sha256" not in content
    await migrate(empty_dsn)
    imported = run("import", "-", given=content, DATABASE_URL=empty_dsn)
    assert imported.returncode == 0, imported.stderr
    assert "2 tokens were left out, as the file has no sha256: `token create` makes new ones" in imported.stdout
    again = dumped(empty_dsn, tmp_path).decode()
    assert again == "".join(line for line in content.splitlines(keepends=True) if '"type":"token"' not in line)


async def test_export_of_one_organization(dsn: str, world: World, tmp_path: Path) -> None:
    other = await World.create(world.raw)
    stranger = await other.user()
    await other.job(stranger)

    content = dumped(dsn, tmp_path, "--organization", str(world.id))

    assert content.count(b"\n") == 1
    assert str(stranger.id).encode() not in content


def test_export_to_standard_output(dsn: str) -> None:
    done = run("export", "-", DATABASE_URL=dsn)

    assert (done.returncode, done.stdout == "" or done.stdout.startswith('{"type":"organization"')) == (0, True)
