"""The tests of the contract, which are written for HTTP, by Connect, in JSON and by messages."""

import pytest

from tests.api.test_grants import *  # noqa: F403 - the tests
from tests.api.test_jobs import *  # noqa: F403 - as above
from tests.api.test_list_pipelines import *  # noqa: F403 - as above
from tests.api.test_pipelines import *  # noqa: F403 - as above
from tests.api.test_tokens import *  # noqa: F403 - as above
from tests.api.test_update_job_pipelines import *  # noqa: F403 - as above
from tests.api.test_users_and_groups import *  # noqa: F403 - as above
from tests.conftest import Client
from tests.grpc.as_http import ByMessages, by_connect
from tests.grpc.test_contract_by_grpc import OF_HTTP_ALONE

pytestmark = pytest.mark.slow

for _name in OF_HTTP_ALONE:
    globals().pop(f"test_{_name}", None)


@pytest.fixture(params=["json", "proto"])
def client(http: Client, request: pytest.FixtureRequest) -> ByMessages:
    return by_connect(http, request.param)
