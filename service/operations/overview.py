"""The overview: what needs an administrator's attention."""

from dataclasses import replace

from service.operations.call import Call
from service.permissions import PERMISSION_NAMES, READ, SCOPE_TOKENS, require_administrator, require_scope
from service.repositories import overview
from service.repositories.ordering import MAX_COUNTED
from service.repositories.overview import MAX_LISTED, EndingGrant, Finding
from service.schemas.overview import GetOverview, Overview


async def get_overview(call: Call, _: GetOverview) -> Overview:
    """Return what needs attention in the organization: of each kind the number, and the first ten.

    A token without the scope `tokens` is told how many tokens are unused, and none of them, as it may see no others.

    Raises:
        PermissionDenied: the caller is no administrator, or their token may not read pipelines, which it names.
    """
    require_administrator(call.caller, "see what needs attention")
    require_scope(call.caller, READ, PERMISSION_NAMES[READ], "see what needs attention")
    organization_id = call.caller.organization_id
    async with call.database.connection() as connection:
        unused = await overview.find_unused_tokens(connection, organization_id)
        return Overview(
            await overview.find_unexecuted_pipelines(connection, organization_id),
            _merge(await overview.find_ending_grants(connection, organization_id)),
            unused if call.caller.allows(SCOPE_TOKENS) else replace(unused, first=[]),
            await overview.find_loose_jobs(connection, organization_id),
            await overview.find_self_granted(connection, organization_id),
            await overview.list_oldest_queues(connection, organization_id),
        )


def _merge(findings: list[Finding[EndingGrant]]) -> Finding[EndingGrant]:
    """Return grants to users and to groups together, those that end first coming first."""
    number = sum(finding.number for finding in findings)
    at_least = number > MAX_COUNTED or any(finding.at_least for finding in findings)
    first = sorted((grant for finding in findings for grant in finding.first), key=lambda grant: grant.expires_at)
    return Finding(min(number, MAX_COUNTED), at_least, first[:MAX_LISTED])
