"""The checks of scim2-tester, whose client knows RFC 7643 and RFC 7644 on its own."""

import asyncio
from typing import Any
from wsgiref.headers import Headers

from scim2_client.engines.inprocess import InProcessResponse
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from tests.factories import bearer
from tests.scim.conftest import Scim


class LoopClient(WSGISCIMClient):
    """A client of the tester's kind, whose requests are made on the loop that the service runs on."""

    def __init__(self, scim: Scim, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(lambda *_: [], base_url="http://localhost/scim/v2")
        self.scim, self.loop = scim, loop

    def request(self, method: str, url: str, **kwargs: Any) -> InProcessResponse:
        return asyncio.run_coroutine_threadsafe(self._request(method, url, **kwargs), self.loop).result(30)

    async def _request(self, method: str, url: str, **kwargs: Any) -> InProcessResponse:
        path = url if url.startswith("http") else f"/scim/v2{url}"
        path = "/" + path.split("/", 3)[3] if path.startswith("http") else path
        headers = {**bearer(self.scim.token), **(kwargs.pop("headers", None) or {})}
        if "content" in kwargs:
            kwargs["data"] = kwargs.pop("content")
        answer = await self.scim.client.request(method, path, headers=headers, **kwargs)
        received = Headers([(str(name), value) for name, value in answer.headers.items()])
        return InProcessResponse(answer.status, received, await answer.read())


async def test_service_conforms(scim: Scim) -> None:
    results = await asyncio.to_thread(check_server, LoopClient(scim, asyncio.get_running_loop()))

    wrong = [f"{each.title}: {each.reason}" for each in results if each.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert wrong == []
    assert sum(each.status is Status.SUCCESS for each in results) > 50
