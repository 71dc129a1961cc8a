"""The tests of the contract, which are written for HTTP, by gRPC; what only HTTP has is left out, by its name."""

import pytest

from tests.conftest import Client
from tests.grpc.as_http import ByMessages, by_grpc
from tests.grpc.calling import Rpcs
from tests.grpc.cases import RESOURCES, cases_of

globals().update(cases_of(*RESOURCES))


@pytest.fixture
def client(rpcs: Rpcs, http: Client) -> ByMessages:
    return by_grpc(rpcs, http)
