"""nginx and HAProxy in front of two replicas, configured as in their manuals, with keep-alive on both sides."""

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.faults.harness.programs import environment, program
from tests.process.running import ROOT, free_port, wait_for

NGINX: Final = """
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream service {
        %s
        keepalive 32;
    }
    server {
        listen 127.0.0.1:%d;
        location / {
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 2s;
            proxy_read_timeout 15s;
        }
    }
}
"""
"""The configuration of nginx, which has no health checks: it finds out by failed requests, and retries those that it
may (never a change that has been sent) on the other replica."""


@contextmanager
def nginx(directory: Path, ports: Sequence[int]) -> Iterator[str]:
    """Run nginx in front of the replicas on these ports; yield its address."""
    servers = "\n        ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in ports)
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX % (servers, port))
    command = [program("nginx"), "-p", f"{directory}/", "-c", str(configuration), "-e", "stderr"]
    with running_proxy(command, directory, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def haproxy(directory: Path, ports: Sequence[int]) -> Iterator[str]:
    """Run HAProxy with the configuration in deploy/, but for addresses; yield its address."""
    port = free_port()
    lines = (ROOT / "deploy/compose/haproxy.cfg").read_text()
    for original, replacement in (
        ("bind :8080", f"bind 127.0.0.1:{port}"),
        ("service-a:8080", f"127.0.0.1:{ports[0]}"),
        ("service-b:8080", f"127.0.0.1:{ports[1]}"),
    ):
        assert lines.count(original) == 1, original
        lines = lines.replace(original, replacement)
    configuration = directory / "haproxy.cfg"
    configuration.write_text(lines)
    with running_proxy([program("haproxy"), "-db", "-f", str(configuration)], directory, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running_proxy(command: Sequence[str], directory: Path, port: int) -> Iterator[None]:
    """Run a proxy that listens on a port; end it in the end."""
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or _listens(port), what=f"{command[0]} on port {port}")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
