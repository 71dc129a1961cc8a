"""The tests of the calls beside, which are written for HTTP, by gRPC and by Connect."""

import pytest

from tests.conftest import Client
from tests.grpc.as_http import ByMessages, by_connect, by_grpc
from tests.grpc.calling import Rpcs
from tests.grpc.cases import FEED_AND_AUDIT, REST, cases_of, skip_of_others

pytestmark = pytest.mark.slow
globals().update(cases_of(*FEED_AND_AUDIT, *REST))


@pytest.fixture(params=["grpc", "json", "proto"])
def client(http: Client, rpcs: Rpcs, request: pytest.FixtureRequest) -> ByMessages:
    skip_of_others(request.node, request.param)
    return by_grpc(rpcs, http) if request.param == "grpc" else by_connect(http, request.param)
