"""`serve` on a Unix socket, as a proxy on the same machine uses it."""

import os
import stat
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector

from tests.process.running import running_service


async def ask(path: Path, target: str, **headers: str) -> tuple[int, str | None]:
    async with ClientSession(connector=UnixConnector(str(path))) as session:
        answer = await session.get(
            f"http://any{target}",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            allow_redirects=False,
        )
        return answer.status, answer.headers.get("Location")


@pytest.mark.parametrize(
    ("trusted", "client", "location"),
    [("127.0.0.1", "192.0.2.7", "/flows/admin/"), ("10.0.0.0/8", "127.0.0.1", "/admin/")],
)
async def test_serve_on_a_unix_socket(
    service_dsn: str, tmp_path: Path, trusted: str, client: str, location: str
) -> None:
    path = tmp_path / "flows.sock"
    settings = {"HTTP_SOCKET": str(path), "HTTP_SOCKET_MODE": "600", "TRUSTED_PROXIES": trusted}
    told = {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Prefix": "/flows"}
    with running_service(tmp_path, service_dsn, **settings) as service:
        assert service.api == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask(path, "/api/v1/users/me", **told) == (401, None)
        assert await ask(path, "/admin", **told) == (308, location)
        service.process.terminate()
        assert service.process.wait(20) == 0
    assert not path.exists()
    assert [line["client"] for line in service.events("request") if line["status"] == 401] == [client]


async def test_serve_replaces_the_socket_of_a_killed_process(service_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "flows.sock"
    with running_service(tmp_path, service_dsn, HTTP_SOCKET=str(path)) as service:
        service.process.kill()
        service.process.wait(20)
    assert stat.S_ISSOCK(os.lstat(path).st_mode)
    with running_service(tmp_path, service_dsn, HTTP_SOCKET=str(path)):
        assert (await ask(path, "/api/v1/users/me"))[0] == 401
