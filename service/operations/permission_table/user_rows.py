"""Rows of the permission table on users, groups and tokens, and on what provisioning does to them."""

from typing import Final

from service.operations import (
    groups,
    pipelines,
    provisioned_groups,
    provisioned_users,
    token_revocation,
    tokens,
    user_deletion,
    users,
)
from service.operations.permission_table.decisions import (
    ADMIN,
    ADMINISTRATION_OF,
    ALLOWED,
    DENIED,
    GROUPS_OF_USERS,
    ITSELF,
    MADE_WITH,
    MAKING,
    MAKING_FOR_OTHERS,
    NAMES_WITHIN,
    ON_A_TOKEN,
    OTHER_SCOPES,
    OWNER,
    PIPELINES_OF_USERS,
    PROVISIONING,
    PROVISIONING_OF,
    TOKENS_OF_USERS,
    each,
)
from service.operations.permission_table.verdicts import ACCOUNT, GROUP, ORGANIZATION, REACH, TOKEN, USER, Act, Decision

DIRECTORY_ROWS: Final = (
    Act("read them", (users.get_user,), USER, NAMES_WITHIN),
    Act("change their role, disable or enable them", (users.update_user,), USER, ADMINISTRATION_OF),
    Act("delete them", (user_deletion.delete_user,), USER, ADMINISTRATION_OF),
    Act("read it", (groups.get_group,), GROUP, NAMES_WITHIN),
    Act("rename it", (groups.rename_group,), GROUP, ADMINISTRATION_OF),
    Act("delete it", (groups.delete_group,), GROUP, ADMINISTRATION_OF),
    Act("see who is in it", (groups.list_members,), GROUP, ADMINISTRATION_OF),
    Act(
        "change who is in it",
        (groups.add_member, groups.remove_member, groups.update_members),
        GROUP,
        ADMINISTRATION_OF,
    ),
)

REACH_ROWS: Final = (
    Act("see which pipelines they can reach", (pipelines.list_user_pipelines,), REACH, PIPELINES_OF_USERS),
    Act("see which groups they are in", (groups.list_user_groups,), REACH, GROUPS_OF_USERS),
)

TOKEN_ROWS: Final = (
    Act("list them", (tokens.list_tokens,), ACCOUNT, TOKENS_OF_USERS),
    Act("make one that may no more than the one that calls", (tokens.create_token,), ACCOUNT, TOKENS_OF_USERS),
    Act("see it", (tokens.get_token,), TOKEN, ON_A_TOKEN),
    Act("revoke it, and what was made with it", (token_revocation.revoke_token,), TOKEN, ON_A_TOKEN),
    Act(
        "revoke it, and keep what was made with it",
        (token_revocation.revoke_token,),
        TOKEN,
        {**ON_A_TOKEN, **each((ITSELF, MADE_WITH), DENIED, MAKING)},
    ),
    Act(
        "rotate it, if it may no more than the one that calls",
        (tokens.rotate_token,),
        TOKEN,
        {**ON_A_TOKEN, MADE_WITH: Decision(DENIED, MAKING)},
    ),
    Act(
        "rotate it, if it has every scope",
        (tokens.rotate_token,),
        TOKEN,
        {
            **ON_A_TOKEN,
            OWNER: Decision(ALLOWED, {**MAKING, **OTHER_SCOPES}),
            MADE_WITH: Decision(DENIED, MAKING),
            ADMIN: Decision(ALLOWED, {**MAKING_FOR_OTHERS, **OTHER_SCOPES}),
        },
    ),
)

PROVISIONING_ROWS: Final = tuple(
    Act(f"{title}, by SCIM", (operation,), about, PROVISIONING if about is ORGANIZATION else PROVISIONING_OF)
    for title, operation, about in (
        ("see what provisioning is like", provisioned_users.discover_provisioning, ORGANIZATION),
        ("list the users", provisioned_users.list_provisioned_users, ORGANIZATION),
        ("create a user", provisioned_users.create_provisioned_user, ORGANIZATION),
        ("list the groups", provisioned_groups.list_provisioned_groups, ORGANIZATION),
        ("create a group", provisioned_groups.create_provisioned_group, ORGANIZATION),
        ("read them", provisioned_users.get_provisioned_user, USER),
        ("change them, disable or enable them", provisioned_users.change_provisioned_user, USER),
        ("delete them", provisioned_users.deprovision_user, USER),
        ("read it", provisioned_groups.get_provisioned_group, GROUP),
        ("change it, and who is in it", provisioned_groups.change_provisioned_group, GROUP),
        ("delete it", provisioned_groups.delete_provisioned_group, GROUP),
    )
)
