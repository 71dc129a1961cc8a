"""A few tests of the feed, the audit and other calls, by gRPC and by Connect; `test_contract_of_the_rest` has all."""

import pytest

from tests.conftest import Client
from tests.grpc.as_http import ByMessages, by_connect, by_grpc
from tests.grpc.calling import Rpcs
from tests.grpc.cases import FEED_AND_AUDIT, REST, SHORT, cases_of, skip_of_others

for _name, _case in cases_of(*FEED_AND_AUDIT, *REST).items():
    if not _name.startswith("test_") or _name.removeprefix("test_") in SHORT:
        globals()[_name] = _case


@pytest.fixture(params=["grpc", "json", "proto"])
def client(http: Client, rpcs: Rpcs, request: pytest.FixtureRequest) -> ByMessages:
    skip_of_others(request.node, request.param)
    return by_grpc(rpcs, http) if request.param == "grpc" else by_connect(http, request.param)
