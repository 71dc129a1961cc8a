"""The tests of the contract, which are written for HTTP, by Connect, in JSON and by messages."""

import pytest

from tests.conftest import Client
from tests.grpc.as_http import ByMessages, by_connect
from tests.grpc.cases import RESOURCES, cases_of, skip_of_others

pytestmark = pytest.mark.slow
globals().update(cases_of(*RESOURCES))


@pytest.fixture(params=["json", "proto"])
def client(http: Client, request: pytest.FixtureRequest) -> ByMessages:
    skip_of_others(request.node, request.param)
    return by_connect(http, request.param)
