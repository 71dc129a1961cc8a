"""The tests of the contract, which are written for HTTP, as cases of other transports, but for what only HTTP has."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

from tests.conftest import client as a_fixture

RESOURCES = (
    *("test_grants", "test_jobs", "test_list_pipelines", "test_pipelines", "test_tokens"),
    *("test_update_job_pipelines", "test_users_and_groups"),
)
"""The modules in tests/api of the documented calls, and of what each resource has."""
FEED_AND_AUDIT = "test_audit", "test_changes"
REST = (
    *("test_apply", "test_authority", "test_demotion", "test_grant_sets", "test_group_members", "test_job_batches"),
    *("test_names_not_told", "test_orders", "test_overview", "test_pages_and_conditions", "test_people"),
    *("test_pipeline_jobs", "test_reach", "test_reserved_names", "test_seals", "test_search", "test_times"),
    *("test_token_inventory", "test_token_trees", "test_user_deletion"),
)
"""Modules of the calls beside."""

SHORT = (
    *("changes_of_a_job_are_told_by_the_pipelines_that_the_caller_may_read", "changes_after_what_is_no_cursor"),
    "changes_after_a_cursor_that_is_older_than_what_is_kept",
    "list_audit_has_a_row_for_each_change_with_before_and_after",
    *("batch_refuses_each_update_for_itself", "deletion_honours_what_the_caller_has_seen"),
)
"""Some tests of the feed, the audit and other calls, which the ordinary run has by each transport."""

OF_HTTP_ALONE = (
    # 201 of a PUT, and Location
    *("put_user_grant_whole_answer", "put_job_whole_answer", "put_job_deleted_meanwhile_registers_it_anew"),
    *("create_pipeline_whole_answer", "create_token_shows_the_secret_once", "create_user_and_get_user"),
    *(
        "group_operations_from_create_to_delete",
        "rotation_takes_the_old_tokens_place",
        "jobs_put_in_at_once_are_all_there",
    ),
    "job_is_put_in_and_taken_out_beside_pipelines_that_the_caller_does_not_see",
    "job_may_be_in_no_more_pipelines_than_an_update_may_name",
    "if_match_accepts_the_etag_of_reading_or_changing_a_grant",
    # 304
    "etag_of_every_read_is_answered_by_304",
    # Paths, methods, queries, content types, and bodies that are no messages
    *("put_job_named_pipelines_is_not_allowed", "list_pipelines_whole_answer", "list_pipelines_head_has_no_body"),
    *("list_pipelines_both_paths_answer_the_same_bytes", "list_pipelines_both_paths_answer_the_same_pages"),
    "list_job_pipelines_job_id_twice",
    *("update_job_pipelines_ignores_the_content_type", "update_job_pipelines_fields_in_the_query_are_refused"),
    # Null where something may also be left out, as messages have no null
    "get_me",
    # Applications of their own
    *("token_use_waits_for_no_lock", "token_use_is_written_at_most_once_a_minute"),
)

OF_JSON = (
    # Null and an empty list where something may also be left out, as messages have neither
    "create_user_with_a_display_name_and_an_email",
    "update_user_sets_and_clears_display_name_and_email",
    "rows_are_in_the_order_of_the_field_that_is_named",
    "batch_answers_each_update_in_order_as_a_lone_one_and_audits_it",
    "batch_may_be_as_large_as_is_said",
)
"""Tests that Connect passes in JSON, and nothing that has messages."""

CASES_OF_HTTP: Mapping[str, tuple[str, ...]] = {
    # Null and nothing are the same in messages, and in a list's place an empty message is an empty list
    "members_that_can_not_be_are_refused": ("-add4",),
    "batch_that_is_no_list_of_updates_is_refused_whole": ("-updates2",),
    "display_name_and_email_malformed": ("-''-PATCH",),
    # A number may be a text in JSON of Protocol Buffers
    "rotation_with_another_overlap_is_refused": ("-60", "-None"),
}
"""The ends of the ids of cases that mean something else by messages."""

CASES_OF_JSON: Mapping[str, tuple[str, ...]] = {"batch_that_is_no_list_of_updates_is_refused_whole": ("-updates.0",)}
CASES_OF_CONNECT: Mapping[str, tuple[str, ...]] = {
    # Failures by gRPC are metadata, which has room for fewer names
    "members_that_are_unknown_are_all_told": ("",),
}


def cases_of(*modules: str) -> dict[str, Any]:
    """Return the tests of modules in tests/api that others than HTTP can pass, and the fixtures that they have."""
    return {name: value for module in modules for name, value in _cases_of(module)}


def _cases_of(module: str) -> Iterator[tuple[str, Any]]:
    left_out = {f"test_{name}" for name in OF_HTTP_ALONE}
    for name, value in vars(import_module(f"tests.api.{module}")).items():
        if (name.startswith("test_") and name not in left_out) or isinstance(value, type(a_fixture)):
            yield name, value


def skip_of_others(node: pytest.Item, transport: str) -> None:
    """Skip a case that a transport can't have: `grpc`, or Connect by `json` or `proto`."""
    test, _, case = node.name.removeprefix("test_").removesuffix("]").partition("[")
    cases = [CASES_OF_HTTP]
    if transport != "json":
        cases += [CASES_OF_JSON, dict.fromkeys(OF_JSON, ("",))]
    if transport == "grpc":
        cases.append(CASES_OF_CONNECT)
    if any(case.endswith(end) for each in cases for end in each.get(test, ())):
        pytest.skip(f"by {transport} there is no such case")
