"""HAProxy and nginx before the service, those that are here, for a path of their own: docs/how-to/behind-a-proxy.md."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.factories import World
from tests.faults.harness import programs
from tests.process.running import free_port, running_service, wait_for

HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 15s

frontend public
    bind 127.0.0.1:{port}
    http-request del-header Forwarded
    http-request del-header X-Forwarded-Port
    http-request set-header X-Forwarded-Prefix /flows
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    option forwardfor
    http-request replace-path /flows(/.*)? \\1
    default_backend service

backend service
    server a {service}
"""

NGINX = """
daemon off;
{user}
pid {directory}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    gzip on;
    gzip_proxied any;
    gzip_min_length 1;
    gzip_types application/json;
    server {{
        listen 127.0.0.1:{port};
        location /flows/ {{
            proxy_pass http://unix:{service}:/;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Forwarded "";
            proxy_set_header X-Forwarded-Port "";
            proxy_set_header X-Forwarded-Prefix /flows;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}
}}
"""


USER = "user root;" if os.geteuid() == 0 else ""
"""As root, nginx would serve as somebody who may not go into the directory of a test."""
OPTIONS = {"haproxy": ("-db", "-f"), "nginx": ("-e", "stderr", "-c")}


def find(name: str) -> str:
    """Return the path of a proxy: the system's, or the one that `make faults` has unpacked; else skip the test."""
    found = shutil.which(name)
    if found is None:
        with suppress(FileNotFoundError):
            return programs.program(name)
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def proxy(name: str, configuration: str, directory: Path, service: str) -> Iterator[str]:
    port, path = free_port(), directory / f"{name}.conf"
    path.write_text(configuration.format(port=port, service=service, directory=directory, user=USER))
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [find(name), *OPTIONS[name], str(path)], env=programs.environment(), stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/flows/healthz", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers, what=name)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
async def test_proxy_serves_the_service_below_a_path(service_dsn: str, tmp_path: Path, world: World, name: str) -> None:
    find(name)
    root = await world.user("root", role="admin")
    socket = tmp_path / "flows.sock"
    settings = {"TRUSTED_PROXIES": "127.0.0.0/8", **({"HTTP_SOCKET": str(socket)} if name == "nginx" else {})}
    with running_service(tmp_path, service_dsn, **settings) as service:
        service.wait_until("/readyz", 200)
        where = str(socket) if name == "nginx" else service.api.removeprefix("http://")
        with proxy(name, NGINX if name == "nginx" else HAPROXY, tmp_path, where) as url, requests.Session() as session:
            session.headers["Accept-Encoding"] = "gzip"
            check(url, lambda method, path, **more: session.request(method, url + path, allow_redirects=False, **more))
            change_by_its_tag(url, session, root.headers)


def check(url: str, ask: Callable[..., requests.Response]) -> None:
    """Check all that leads somewhere, and that a client's own headers lead nowhere else."""
    hostile = {
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example;proto=https",
    }
    for lies in ({}, hostile):
        assert ask("GET", "/flows/admin", headers=lies).headers["Location"] == "/flows/admin/"
        assert '"/flows/admin/assets/' in ask("GET", "/flows/admin/", headers=lies).text
        assert ask("GET", "/flows/openapi.json", headers=lies).json()["servers"] == [{"url": f"{url}/flows"}]


def change_by_its_tag(url: str, session: requests.Session, headers: dict[str, str]) -> None:
    """Change what was read, by the tag that came through the proxy."""
    pipelines = f"{url}/flows/api/v1/flow/pipeline"
    made = session.post(pipelines, json={"name": "p"}, headers=headers)
    assert made.status_code == 201
    assert made.headers["Location"].startswith("/flows/api/v1/flow/pipeline/")
    read = session.get(url + made.headers["Location"], headers=headers)
    tag = read.headers["ETag"]
    assert session.get(read.url, headers={**headers, "If-None-Match": tag}).status_code == 304
    changed = session.patch(read.url, json={"name": "q"}, headers={**headers, "If-Match": tag})
    stale = session.patch(read.url, json={"name": "r"}, headers={**headers, "If-Match": tag})
    assert (changed.status_code, stale.status_code) == (200, 412)
