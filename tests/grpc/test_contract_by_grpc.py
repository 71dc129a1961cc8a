"""The tests of the contract, which are written for HTTP, by gRPC; what only HTTP has is left out, by its name."""

import pytest

from tests.api.test_grants import *  # noqa: F403 - the tests
from tests.api.test_jobs import *  # noqa: F403 - as above
from tests.api.test_list_pipelines import *  # noqa: F403 - as above
from tests.api.test_pipelines import *  # noqa: F403 - as above
from tests.api.test_tokens import *  # noqa: F403 - as above
from tests.api.test_update_job_pipelines import *  # noqa: F403 - as above
from tests.api.test_users_and_groups import *  # noqa: F403 - as above
from tests.conftest import Client
from tests.grpc.as_http import ByMessages, by_grpc
from tests.grpc.calling import Rpcs

OF_HTTP_ALONE = (
    # 201 of a PUT, and Location
    *("put_user_grant_whole_answer", "put_job_whole_answer", "put_job_deleted_meanwhile_registers_it_anew"),
    *("create_pipeline_whole_answer", "create_token_shows_the_secret_once", "create_user_and_get_user"),
    "group_operations_from_create_to_delete",
    # Paths, methods, queries, content types, and bodies that are no messages
    *("put_job_named_pipelines_is_not_allowed", "list_pipelines_whole_answer", "list_pipelines_head_has_no_body"),
    *("list_pipelines_both_paths_answer_the_same_bytes", "list_job_pipelines_job_id_twice"),
    *("update_job_pipelines_ignores_the_content_type", "update_job_pipelines_fields_in_the_query_are_refused"),
    # Null where something may also be left out, as messages have no null
    "get_me",
    # Applications of their own
    *("token_use_waits_for_no_lock", "token_use_is_written_at_most_once_a_minute"),
)
for _name in OF_HTTP_ALONE:
    globals().pop(f"test_{_name}", None)


@pytest.fixture
def client(rpcs: Rpcs, http: Client) -> ByMessages:
    return by_grpc(rpcs, http)
