"""A worker as its parent has it, where its process says what none does."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from signal import SIGKILL

import pytest
from structlog.testing import capture_logs

from service.errors import StartupError
from service.workers import member as module
from service.workers.channel import MAX_MESSAGE, Channel
from service.workers.member import Member


@asynccontextmanager
async def waiting() -> AsyncIterator[tuple[Member, socket.socket]]:
    """Yield a member whose process does nothing, and the end of the channel that is the process's."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", "input()"]
    with theirs, subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: ASYNC220 - it takes milliseconds
        member = Member(1, process, await Channel.open(ours))
        try:
            yield member, theirs
        finally:
            process.kill()


@pytest.mark.parametrize(
    "said",
    [b"garbage\n", b"[]\n", b'{"kind": "metrics"}\n', b'{"kind": "failed"}\n', b'{"kind": "answer"}\n', b"\xff\n"],
    ids=str,
)
async def test_worker_that_can_not_be_understood_is_killed_and_counts_as_ended(said: bytes) -> None:
    async with waiting() as (member, end):
        with capture_logs() as lines:
            end.send(said)
            code = await asyncio.wait_for(asyncio.shield(member.ended), 20)

        assert code == -SIGKILL
        assert [line["reason"] for line in lines if line["event"] == "worker_killed"] == ["garbled"]
        with pytest.raises(StartupError):
            await member.serving


async def test_worker_that_says_too_much_at_once_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXIT_SECONDS", 0)

    async with waiting() as (member, end):
        with suppress(BrokenPipeError, ConnectionResetError):  # it is ended while it still says so much
            await asyncio.to_thread(end.sendall, b"x" * (MAX_MESSAGE + 2**17))

        assert await asyncio.wait_for(asyncio.shield(member.ended), 20) == -SIGKILL
