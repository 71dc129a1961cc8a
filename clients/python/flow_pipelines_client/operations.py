"""The operations of the service, a method each, for threads.

Written by `make client` from the method table: a change here would be lost. async_operations.py is the same for asyncio.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from flow_pipelines_client import models, table
from flow_pipelines_client.answers import Answer
from flow_pipelines_client.calls import UNSET, Unset, items, items_or_none, or_null
from flow_pipelines_client.connection import Connection
from flow_pipelines_client.pages import Pages


class Operations(Connection):
    """The operations of the service.

    A list is read page by page: iterating what such a method returns yields the items of all pages. Parameters that
    many methods have:

    - page_size: The number of items on a page.
    - page_token: The `next_page_token` of a page, to begin with the one behind it.
    - if_match: The `etag` of what was read: refused if it is no longer that.
    - if_none_match: `*`: refused if there is one already.
    - timeout: Seconds that the call may take, with all its attempts; the client's own if left out.
    """

    def list_pipelines(
        self,
        *,
        name: str | None = None,
        permission: models.PermissionText | None = None,
        is_manager: bool | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.PipelineList, models.PipelineItem]:
        """List the pipelines that the caller may read and that fit the filters, by name, then id.

        Filters: a part of the name regardless of case, a permission held, being a manager.

        Args:
            name: Only those with this in their name, in upper or lower case.
            permission: Only those on which this permission is held.
            is_manager: Only those that the caller manages, or does not.
        """
        return self._pages(
            table.LIST_PIPELINES,
            {
                "name": name,
                "permission": permission,
                "is_manager": is_manager,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def list_job_pipelines(
        self,
        *,
        name: str | None = None,
        permission: models.PermissionText | None = None,
        is_manager: bool | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        job_id: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.PipelineList, models.PipelineItem]:
        """List the pipelines that a job is in and the caller may read, by name, then id; without a job, all they may read.

        Filters: a job, a part of the name regardless of case, a permission held, being a manager.

        Args:
            name: Only those with this in their name, in upper or lower case.
            permission: Only those on which this permission is held.
            is_manager: Only those that the caller manages, or does not.
            job_id: Only the pipelines that this job is in.

        Raises:
            NotFound: there is no such job, or the caller may not see it.
        """
        return self._pages(
            table.LIST_JOB_PIPELINES,
            {
                "name": name,
                "permission": permission,
                "is_manager": is_manager,
                "page_size": page_size,
                "page_token": page_token,
                "job_id": job_id,
            },
            timeout,
        )

    def update_job_pipelines(
        self,
        job_id: str,
        pipeline_ids: Iterable[UUID | str],
        *,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> models.UpdatedPipelines:
        """Replace the whole set of pipelines that a job is in, all or nothing.

        The answer is in the order of the request. Mostly the update is pre-authorized before the job is read. Else,
        and where that no longer holds, the job is locked and read first.

        Names a job and its whole new set of pipelines.

        Needs: flow_pipeline:execute.

        Args:
            job_id: The id of the job, as it was registered.
            pipeline_ids: All the pipelines that it is to be in; an empty list takes it out of every one.

        Raises:
            NotFound: there is no such job or pipeline, or the caller may not see it.
            PermissionDenied: the caller may not put jobs into, or take them out of, one of the pipelines.
            PreconditionFailed: the job's pipelines are not those that the caller has seen.
        """
        return self._run(
            table.UPDATE_JOB_PIPELINES,
            {"job_id": job_id, "pipeline_ids": items(pipeline_ids)},
            timeout,
            if_match=if_match,
        )

    def batch_update_job_pipelines(
        self, updates: Iterable[models.UpdateJobPipelinesInput], *, atomic: bool = False, timeout: float | None = None
    ) -> models.Verdicts:
        """Replace the whole sets of pipelines that some jobs are in, each with a verdict of its own, or all or nothing.

        At most 5,000 pipelines in all. A job that is named again is updated again, in the order of the list. What is
        wrong with one update is its verdict, as if it had been sent alone; only a list that is too long, or has
        anything but objects with a `job_id`, is refused whole. With `atomic` nothing is changed unless all may be:
        the answer is the first refusal, and `details` names its `index`, counted from 0; malformed updates come
        before all others.

        Needs: for each update, what it needs alone.

        Args:
            updates: The updates, each as it would be sent alone.
            atomic: True to do all or nothing.

        Raises:
            InvalidArgument: it is to be all or nothing, and an update is malformed.
            PermissionDenied: it is to be all or nothing, and the caller may not put a job into a pipeline, or take it
                out.
            NotFound: it is to be all or nothing, and there is no such job or pipeline, or the caller may not see it.
        """
        return self._run(
            table.BATCH_UPDATE_JOB_PIPELINES, {"updates": items(updates), "atomic": atomic or None}, timeout
        )

    def create_pipeline(
        self, name: str, *, description: str | None = None, timeout: float | None = None
    ) -> models.PipelineAnswer:
        """Create a pipeline, with the caller as its manager.

        Its name is unique in the organization, regardless of case.

        Needs: pipeline administrator.

        Args:
            name: The name of the pipeline, without space around it.
            description: A description, for people; empty if it is left out.

        Raises:
            PermissionDenied: the caller is no pipeline administrator or administrator, or their token is too narrow.
            AlreadyExists: there is one of that name.
        """
        return self._run(table.CREATE_PIPELINE, {"name": name, "description": description}, timeout)

    def get_pipeline(self, pipeline_id: UUID | str, *, timeout: float | None = None) -> models.PipelineAnswer:
        """Return a pipeline.

        Needs: flow_pipeline:read.

        Args:
            pipeline_id: The id of the pipeline.

        Raises:
            NotFound: there is none, or the caller may not see it.
        """
        return self._run(table.GET_PIPELINE, {"pipeline_id": pipeline_id}, timeout)

    def update_pipeline(
        self,
        pipeline_id: UUID | str,
        *,
        name: str | None = None,
        description: str | None = None,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> models.PipelineAnswer:
        """Rename or describe a pipeline.

        What is left out stays.

        Needs: flow_pipeline:write.

        Args:
            pipeline_id: The id of the pipeline.
            name: The name it is to have from now on.
            description: The description it is to have from now on.

        Raises:
            NotFound: there is none, or the caller may not see it.
            PermissionDenied: the caller may not write it.
            PreconditionFailed: it is not what the caller has seen.
            AlreadyExists: there is another one of that name.
        """
        return self._run(
            table.UPDATE_PIPELINE,
            {"pipeline_id": pipeline_id, "name": name, "description": description},
            timeout,
            if_match=if_match,
        )

    def delete_pipeline(
        self, pipeline_id: UUID | str, *, force: bool = False, if_match: str | None = None, timeout: float | None = None
    ) -> Answer:
        """Delete a pipeline and everything granted on it; the jobs in it stay.

        Refused while jobs are in it, unless forced.

        Needs: flow_pipeline:delete.

        Args:
            pipeline_id: The id of the pipeline.
            force: True to delete it also while jobs are in it; they stay, without it.

        Raises:
            NotFound: there is none, or the caller may not see it.
            PermissionDenied: the caller may not delete it.
            PreconditionFailed: it is not what the caller has seen.
            FailedPrecondition: jobs are in it, and it is not forced.
        """
        return self._run(
            table.DELETE_PIPELINE, {"pipeline_id": pipeline_id, "force": force or None}, timeout, if_match=if_match
        )

    def list_pipeline_jobs(
        self,
        pipeline_id: UUID | str,
        *,
        q: str | None = None,
        order_by: Literal["assigned_at", "-assigned_at"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.PipelineJobs, models.QueuedJob]:
        """List the jobs in a pipeline, oldest first.

        Oldest first.

        Needs: flow_pipeline:read.

        Args:
            pipeline_id: The id of the pipeline.
            q: Only those with this in their id or name; letters from A to Z in upper or lower case.
            order_by: Behind - descending. Without it: assigned_at.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            NotFound: there is no such pipeline, or the caller may not see it.
        """
        return self._pages(
            table.LIST_PIPELINE_JOBS,
            {
                "pipeline_id": pipeline_id,
                "q": q,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def add_pipeline_job(self, pipeline_id: UUID | str, job_id: str, *, timeout: float | None = None) -> Answer:
        """Put a job into one pipeline, whatever else it is in; nothing happens if it is there.

        It takes to see the job, and to hold `flow_pipeline:execute` on that pipeline. It comes last in the job's own
        order.

        Needs: flow_pipeline:execute.

        Args:
            pipeline_id: The id of the pipeline.
            job_id: The id of the job, as it was registered.

        Raises:
            NotFound: there is no such pipeline or job, or the caller may not see it.
            PermissionDenied: the caller may not put jobs into the pipeline.
            FailedPrecondition: the job is in as many pipelines as a job may be in.
        """
        return self._run(table.ADD_PIPELINE_JOB, {"pipeline_id": pipeline_id, "job_id": job_id}, timeout)

    def remove_pipeline_job(self, pipeline_id: UUID | str, job_id: str, *, timeout: float | None = None) -> Answer:
        """Take a job out of one pipeline, whatever else it is in; nothing happens if it is not there.

        Of the job's owner it takes to read that pipeline, of others to hold `flow_pipeline:execute` on it and see the
        job.

        Needs: flow_pipeline:execute; of one's own job: flow_pipeline:read.

        Args:
            pipeline_id: The id of the pipeline.
            job_id: The id of the job, as it was registered.

        Raises:
            NotFound: there is no such pipeline or job, or the caller may not see it.
            PermissionDenied: the caller may not take jobs out of the pipeline.
        """
        return self._run(table.REMOVE_PIPELINE_JOB, {"pipeline_id": pipeline_id, "job_id": job_id}, timeout)

    def list_grants(
        self,
        pipeline_id: UUID | str,
        *,
        q: str | None = None,
        order_by: Literal["name", "-name", "expires_at", "-expires_at", "updated_at", "-updated_at"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.GrantList, models.Grant]:
        """List the grants on a pipeline, expired ones too.

        Groups first, then by name.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            q: Only those with this in their group's or user's name; letters from A to Z in upper or lower case.
            order_by: Behind - descending. Without it: name.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            NotFound: there is no such pipeline, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants.
        """
        return self._pages(
            table.LIST_GRANTS,
            {
                "pipeline_id": pipeline_id,
                "q": q,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def replace_grants(
        self,
        pipeline_id: UUID | str,
        grants: Iterable[models.GrantInSetInput],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout: float | None = None,
    ) -> models.GrantList:
        """Replace all grants on a pipeline by those of a list, all or nothing.

        Each names either a user or a group, and each of these once. Grants that are not named are taken back; one
        that is named as it is stays as it is, and takes no more than to manage the grants. The rules of single grants
        hold for each that differs. What has expired gives nobody anything: it goes unless it is named anew.
        `If-Match` takes the tag of the list read whole, which `page_size=1000` does.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            grants: All the grants that there are to be; others are revoked.

        Raises:
            InvalidArgument: a grant is to both a user and a group or to neither, or somebody is named twice.
            NotFound: there is no such pipeline, or the caller may not see it; or no user or group of a name.
            PermissionDenied: the caller may not manage its grants, or one that differs is not theirs to make or take
                back.
            PreconditionFailed: the grants are not what the caller has seen.
            FailedPrecondition: there are more grants than a list may have.
        """
        return self._run(
            table.REPLACE_GRANTS,
            {"pipeline_id": pipeline_id, "grants": items(grants)},
            timeout,
            if_match=if_match,
            if_none_match=if_none_match,
        )

    def get_user_grant(
        self, pipeline_id: UUID | str, username: str, *, timeout: float | None = None
    ) -> models.GrantAnswer:
        """Return the grant to a user, with the tag that changing it can be bound to.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            username: The name of the user, in upper or lower case.

        Raises:
            NotFound: there is no such pipeline, user or grant, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants.
        """
        return self._run(table.GET_USER_GRANT, {"pipeline_id": pipeline_id, "username": username}, timeout)

    def put_user_grant(
        self,
        pipeline_id: UUID | str,
        username: str,
        permissions: Iterable[models.PermissionText],
        *,
        is_manager: bool = False,
        expires_at: datetime | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout: float | None = None,
    ) -> models.GrantAnswer:
        """Set the grant to a user, in the place of a former one.

        Any grant includes read.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            username: The name of the user, in upper or lower case.
            permissions: What is granted; any grant includes read. Managers hold all five, whatever this list has.
            is_manager: True to make a manager, who holds all five permissions.
            expires_at: When it ends: after now, before the year 2200; None: never.

        Raises:
            NotFound: there is no such pipeline or user, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants, or does not hold what they grant, or not as long.
            PreconditionFailed: the grant is not what the caller has seen.
        """
        return self._run(
            table.PUT_USER_GRANT,
            {
                "pipeline_id": pipeline_id,
                "username": username,
                "permissions": items(permissions),
                "is_manager": is_manager or None,
                "expires_at": expires_at,
            },
            timeout,
            if_match=if_match,
            if_none_match=if_none_match,
        )

    def delete_user_grant(
        self, pipeline_id: UUID | str, username: str, *, if_match: str | None = None, timeout: float | None = None
    ) -> Answer:
        """Revoke the grant to a user.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            username: The name of the user, in upper or lower case.

        Raises:
            NotFound: there is no such pipeline, user or grant, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants, or it makes a manager and they are none.
            PreconditionFailed: the grant is not what the caller has seen.
        """
        return self._run(
            table.DELETE_USER_GRANT, {"pipeline_id": pipeline_id, "username": username}, timeout, if_match=if_match
        )

    def get_group_grant(
        self, pipeline_id: UUID | str, name: str, *, timeout: float | None = None
    ) -> models.GrantAnswer:
        """Return the grant to a group, with the tag that changing it can be bound to.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            name: The name of the group, in upper or lower case.

        Raises:
            NotFound: there is no such pipeline, group or grant, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants.
        """
        return self._run(table.GET_GROUP_GRANT, {"pipeline_id": pipeline_id, "name": name}, timeout)

    def put_group_grant(
        self,
        pipeline_id: UUID | str,
        name: str,
        permissions: Iterable[models.PermissionText],
        *,
        is_manager: bool = False,
        expires_at: datetime | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout: float | None = None,
    ) -> models.GrantAnswer:
        """Set the grant to a group, in the place of a former one.

        Any grant includes read.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            name: The name of the group, in upper or lower case.
            permissions: What is granted; any grant includes read. Managers hold all five, whatever this list has.
            is_manager: True to make a manager, who holds all five permissions.
            expires_at: When it ends: after now, before the year 2200; None: never.

        Raises:
            NotFound: there is no such pipeline or group, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants, or does not hold what they grant, or not as long.
            PreconditionFailed: the grant is not what the caller has seen.
        """
        return self._run(
            table.PUT_GROUP_GRANT,
            {
                "pipeline_id": pipeline_id,
                "name": name,
                "permissions": items(permissions),
                "is_manager": is_manager or None,
                "expires_at": expires_at,
            },
            timeout,
            if_match=if_match,
            if_none_match=if_none_match,
        )

    def delete_group_grant(
        self, pipeline_id: UUID | str, name: str, *, if_match: str | None = None, timeout: float | None = None
    ) -> Answer:
        """Revoke the grant to a group.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            name: The name of the group, in upper or lower case.

        Raises:
            NotFound: there is no such pipeline, group or grant, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants, or it makes managers and they are none.
            PreconditionFailed: the grant is not what the caller has seen.
        """
        return self._run(
            table.DELETE_GROUP_GRANT, {"pipeline_id": pipeline_id, "name": name}, timeout, if_match=if_match
        )

    def list_access(
        self,
        pipeline_id: UUID | str,
        *,
        permission: models.PermissionText | None = None,
        order_by: Literal["username", "-username"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.AccessList, models.UserAccess]:
        """List the users who have access to a pipeline, or hold one permission on it, by name.

        By username; disabled users can nothing.

        Needs: flow_pipeline:manage_pipelines.

        Args:
            pipeline_id: The id of the pipeline.
            permission: Only users who hold this permission.
            order_by: Behind - descending. Without it: username.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            NotFound: there is no such pipeline, or the caller may not see it.
            PermissionDenied: the caller may not manage its grants.
        """
        return self._pages(
            table.LIST_ACCESS,
            {
                "pipeline_id": pipeline_id,
                "permission": permission,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def explain_access(
        self, pipeline_id: UUID | str, username: str, *, timeout: float | None = None
    ) -> models.AccessAnswer:
        """Explain a user's access: for each of the five permissions, every path that gives it, or what is missing.

        It is the user's, not a token's: scopes are no part of it. One's own takes only read. What an identity
        provider's token adds counts for the caller alone, as it is stored nowhere.

        Needs: flow_pipeline:manage_pipelines; one's own: flow_pipeline:read.

        Args:
            pipeline_id: The id of the pipeline.
            username: The name of the user, in upper or lower case.

        Raises:
            NotFound: there is no such pipeline or user, or the caller may not see it.
            PermissionDenied: it is somebody else's, and the caller may not manage the pipeline's grants.
        """
        return self._run(table.EXPLAIN_ACCESS, {"pipeline_id": pipeline_id, "username": username}, timeout)

    def list_jobs(
        self,
        *,
        pipeline_id: UUID | str | None = None,
        owner: str | None = None,
        q: str | None = None,
        order_by: Literal["created_at", "-created_at", "id", "-id"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.JobList, models.Job]:
        """List the jobs that the caller can see, newest first.

        A page ends early where its jobs are in too many pipelines, or too many jobs have been examined for it.

        Newest first. Filters: a pipeline, an owner's username, and by `q`, a part of the id or the name. A page also
        ends where its jobs are in 5,000 pipelines.

        Args:
            pipeline_id: Only the jobs in this pipeline.
            owner: Only the jobs of the user with this username.
            q: Only those with this in their id or name; letters from A to Z in upper or lower case.
            order_by: Behind - descending. Without it: -created_at.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            NotFound: there is no such pipeline or owner, or the caller may not see it.
        """
        return self._pages(
            table.LIST_JOBS,
            {
                "pipeline_id": pipeline_id,
                "owner": owner,
                "q": q,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def put_job(
        self,
        job_id: str,
        *,
        name: str | None = None,
        owner: str | None = None,
        pipeline_ids: Iterable[UUID | str] | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout: float | None = None,
    ) -> models.JobAnswer:
        """Register a job, or change it; asking twice does it once.

        What is left out stays; of a new job, it is empty, and the owner who calls. So the answer's owner is somebody
        else where they had a job of that id before. Administrators and pipeline administrators who name the pipelines
        of such a job, but neither its owner nor by `If-Match` what they have seen, get 409; an administrator takes it
        over by naming themselves as its owner. `If-None-Match: *` answers 412 where a job of that id exists.

        Needs: to own the job, or administrator.

        Args:
            job_id: The id of the job, as it was registered.
            name: A name, for people.
            owner: The username of its owner; somebody else's only for administrators.
            pipeline_ids: All the pipelines that it is to be in; left out: those that it is in.

        Raises:
            PermissionDenied: the caller neither owns the job nor is an administrator, or may not put it into a
                pipeline.
            NotFound: there is no such owner or pipeline, or the caller may not see it.
            AlreadyExists: somebody else has a job of that id, which the caller can't see, or sees by their role
                alone.
            PreconditionFailed: the job is not what the caller has seen.
        """
        return self._run(
            table.PUT_JOB,
            {"job_id": job_id, "name": name, "owner": owner, "pipeline_ids": items_or_none(pipeline_ids)},
            timeout,
            if_match=if_match,
            if_none_match=if_none_match,
        )

    def get_job(self, job_id: str, *, timeout: float | None = None) -> models.JobAnswer:
        """Return a job.

        Args:
            job_id: The id of the job, as it was registered.

        Raises:
            NotFound: there is none, or the caller may not see it.
        """
        return self._run(table.GET_JOB, {"job_id": job_id}, timeout)

    def delete_job(self, job_id: str, *, if_match: str | None = None, timeout: float | None = None) -> Answer:
        """Forget a job; the pipelines it was in stay.

        Needs: to own the job, or administrator.

        Args:
            job_id: The id of the job, as it was registered.

        Raises:
            NotFound: there is none, or the caller may not see it.
            PermissionDenied: the caller neither owns it nor is an administrator.
            PreconditionFailed: it is not what the caller has seen.
        """
        return self._run(table.DELETE_JOB, {"job_id": job_id}, timeout, if_match=if_match)

    def list_users(
        self,
        *,
        name: str | None = None,
        q: str | None = None,
        order_by: Literal[
            "username",
            "-username",
            "display_name",
            "-display_name",
            "email",
            "-email",
            "role",
            "-role",
            "created_at",
            "-created_at",
        ]
        | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.UserList, models.User]:
        """List the users of the organization, by name.

        Filters, regardless of case: a part of the username; and by `q`, a part of the username, the display name or
        the email, of which only administrators search the last two.

        Args:
            name: Only those with this in their name, in upper or lower case.
            q: Only those with this in their username, display name or email address.
            order_by: Behind - descending. Without it: username.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            PermissionDenied: they are to be in the order of something that only administrators see.
        """
        return self._pages(
            table.LIST_USERS,
            {
                "name": name,
                "q": q,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def create_user(
        self,
        username: str,
        *,
        role: models.RoleText | None = None,
        display_name: str | None = None,
        email: str | None = None,
        timeout: float | None = None,
    ) -> models.UserAnswer:
        """Create a user.

        The username is unique in the organization, regardless of case, and not a word of an address, such as `me`.

        Needs: administrator.

        Args:
            username: The name of the user.
            role: The role they are to have; a member's if it is left out.
            display_name: The name that people know them by.
            email: An address of theirs, which is not proved.

        Raises:
            PermissionDenied: the caller is no administrator.
            AlreadyExists: there is one of that name.
        """
        return self._run(
            table.CREATE_USER,
            {"username": username, "role": role, "display_name": display_name, "email": email},
            timeout,
        )

    def get_me(self, *, timeout: float | None = None) -> models.MeAnswer:
        """Return the caller, with their role, their groups, and the scopes of their token."""
        return self._run(table.GET_ME, {}, timeout)

    def get_user(self, username: str, *, timeout: float | None = None) -> models.UserAnswer:
        """Return a user.

        Names one user, regardless of case.

        Args:
            username: The name of the user, in upper or lower case.

        Raises:
            NotFound: there is none of that name.
        """
        return self._run(table.GET_USER, {"username": username}, timeout)

    def update_user(
        self,
        username: str,
        *,
        role: models.RoleText | None = None,
        disabled: bool | None = None,
        display_name: str | Unset | None = UNSET,
        email: str | Unset | None = UNSET,
        withdraw_grants: bool = False,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> models.UserUpdated:
        """Change a user's role, display name or email, or disable or enable them.

        Who becomes a member keeps what was granted to them, also what they granted themselves: the answer lists it.

        What is left out stays; None takes a display name or an email away. `withdraw_grants` takes back, each
        audited, every grant that the user has made to themselves, also as the creator of a pipeline. What they
        granted to groups that they are in stays, as others hold it, too: the answer lists it.

        Needs: administrator.

        Args:
            username: The name of the user, in upper or lower case.
            role: The role they are to have from now on.
            disabled: True to refuse all of their tokens, false to allow them again.
            display_name: The name that people know them by; None: none.
            email: An address of theirs; None: none.
            withdraw_grants: True to take back, too, what they have granted themselves.

        Raises:
            PermissionDenied: the caller is no administrator, or provisioning manages what is to be changed.
            NotFound: there is no such user.
            PreconditionFailed: the user is not what the caller has seen.
            FailedPrecondition: it would leave the organization without an administrator.
        """
        return self._run(
            table.UPDATE_USER,
            {
                "username": username,
                "role": role,
                "disabled": disabled,
                "display_name": or_null(display_name),
                "email": or_null(email),
                "withdraw_grants": withdraw_grants or None,
            },
            timeout,
            if_match=if_match,
        )

    def delete_user(
        self, username: str, *, jobs_to: str | None = None, if_match: str | None = None, timeout: float | None = None
    ) -> Answer:
        """Delete a user, with their tokens, grants, memberships and links; their jobs go to another user.

        Nobody else ever gets the name, so that the audit trail means one person by it. Very many jobs are handed
        over, and tokens deleted, in several transactions, the first of which disables the user, and the last deletes
        them: asked again after a failure, the call goes on.

        `jobs_to` names the user who gets their jobs; without it, nobody is deleted who owns any. The name stays
        reserved.

        Needs: administrator.

        Args:
            username: The name of the user, in upper or lower case.
            jobs_to: The username of the user who is to own their jobs.

        Raises:
            PermissionDenied: the caller is no administrator, or provisioning manages the user.
            NotFound: there is no such user, or none of the name that the jobs are to go to.
            PreconditionFailed: the user is not what the caller has seen.
            Aborted: they have more jobs or tokens than the call hands over, or deletes, in its time; ask again.
            FailedPrecondition: they own jobs that nobody is named for; or they are the caller, or the last
                administrator.
            FailedPrecondition: what took the places of tokens that they had made for others has made too many.
        """
        return self._run(table.DELETE_USER, {"username": username, "jobs_to": jobs_to}, timeout, if_match=if_match)

    def list_user_pipelines(
        self,
        username: str,
        *,
        name: str | None = None,
        permission: models.PermissionText | None = None,
        is_manager: bool | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.PipelineList, models.PipelineItem]:
        """List the pipelines that a user may read and that fit the filters, by name, then id.

        As a token of theirs without scopes lists them; a disabled user reaches none. Filters: a part of the name
        regardless of case, a permission held, being a manager.

        Needs: one's own; others': administrator.

        Args:
            username: The name of the user, in upper or lower case.
            name: Only those with this in their name, in upper or lower case.
            permission: Only those on which this permission is held.
            is_manager: Only those that the caller manages, or does not.

        Raises:
            PermissionDenied: it is somebody else, and the caller is no administrator; or the token is too narrow.
            NotFound: there is no such user.
        """
        return self._pages(
            table.LIST_USER_PIPELINES,
            {
                "username": username,
                "name": name,
                "permission": permission,
                "is_manager": is_manager,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def list_user_groups(
        self,
        username: str,
        *,
        order_by: Literal["name", "-name", "created_at", "-created_at"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.GroupList, models.Group]:
        """List the groups that a user is in, by name.

        By name.

        Needs: one's own; others': administrator.

        Args:
            username: The name of the user, in upper or lower case.
            order_by: Behind - descending. Without it: name.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            PermissionDenied: the caller is no administrator, and it is somebody else, or an order by what only these
                see.
            NotFound: there is no such user.
        """
        return self._pages(
            table.LIST_USER_GROUPS,
            {
                "username": username,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def list_groups(
        self,
        *,
        name: str | None = None,
        order_by: Literal["name", "-name", "created_at", "-created_at"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.GroupList, models.Group]:
        """List the groups of the organization, by name.

        Filter: a part of the name regardless of case.

        Args:
            name: Only those with this in their name, in upper or lower case.
            order_by: Behind - descending. Without it: name.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            PermissionDenied: they are to be in the order of something that only administrators see.
        """
        return self._pages(
            table.LIST_GROUPS,
            {
                "name": name,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def create_group(self, name: str, *, timeout: float | None = None) -> models.GroupAnswer:
        """Create a group, without members.

        Its name is unique in the organization, regardless of case, and not a word of an address, such as `me`.

        Needs: administrator.

        Args:
            name: The name of the group.

        Raises:
            PermissionDenied: the caller is no administrator.
            AlreadyExists: there is one of that name.
        """
        return self._run(table.CREATE_GROUP, {"name": name}, timeout)

    def get_group(self, name: str, *, timeout: float | None = None) -> models.GroupAnswer:
        """Return a group.

        Names one group, regardless of case.

        Args:
            name: The name of the group, in upper or lower case.

        Raises:
            NotFound: there is none of that name.
        """
        return self._run(table.GET_GROUP, {"name": name}, timeout)

    def rename_group(
        self, name: str, new_name: str, *, if_match: str | None = None, timeout: float | None = None
    ) -> models.GroupAnswer:
        """Rename a group.

        The name it is to have from now on.

        Needs: administrator.

        Args:
            name: The name of the group, in upper or lower case.
            new_name: The name it is to have from now on.

        Raises:
            PermissionDenied: the caller is no administrator, or provisioning manages the group.
            NotFound: there is no such group.
            PreconditionFailed: it is not what the caller has seen.
            AlreadyExists: there is another one of that name.
        """
        return self._run(table.RENAME_GROUP, {"name": name, "new_name": new_name}, timeout, if_match=if_match)

    def delete_group(self, name: str, *, if_match: str | None = None, timeout: float | None = None) -> Answer:
        """Delete a group, its memberships and the grants to it.

        Very many members are taken out in several transactions, the last of which deletes the group: asked again
        after a failure, the call goes on.

        Names one group, regardless of case.

        Needs: administrator.

        Args:
            name: The name of the group, in upper or lower case.

        Raises:
            PermissionDenied: the caller is no administrator, or provisioning manages the group.
            NotFound: there is no such group.
            PreconditionFailed: it is not what the caller has seen.
            Aborted: it has more members than the call takes out in its time; ask again.
        """
        return self._run(table.DELETE_GROUP, {"name": name}, timeout, if_match=if_match)

    def list_group_grants(
        self,
        name: str,
        *,
        q: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: Literal["name", "-name", "expires_at", "-expires_at"] | None = None,
        total: bool = False,
        timeout: float | None = None,
    ) -> Pages[models.GroupGrantList, models.GroupGrant]:
        """List what a group is granted, expired grants too, by the pipelines' names.

        Of each pipeline to those who may manage its grants: to administrators and pipeline administrators on all.

        Needs: flow_pipeline:manage_pipelines on each pipeline that is to be listed.

        Args:
            name: The name of the group, in upper or lower case.
            q: Only those on pipelines with this in their name, in upper or lower case.
            order_by: Behind - descending. Without it: name.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            NotFound: there is no such group.
        """
        return self._pages(
            table.LIST_GROUP_GRANTS,
            {
                "name": name,
                "q": q,
                "page_size": page_size,
                "page_token": page_token,
                "order_by": order_by,
                "total": total or None,
            },
            timeout,
        )

    def list_members(
        self,
        name: str,
        *,
        q: str | None = None,
        order_by: Literal["username", "-username", "created_at", "-created_at"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.MemberList, models.Member]:
        """List the members of a group, by name.

        By username.

        Needs: administrator.

        Args:
            name: The name of the group, in upper or lower case.
            q: Only those with this in their username, display name or email address.
            order_by: Behind - descending. Without it: username.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            PermissionDenied: the caller is no administrator.
            NotFound: there is no such group.
        """
        return self._pages(
            table.LIST_MEMBERS,
            {
                "name": name,
                "q": q,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def update_members(
        self,
        name: str,
        *,
        add: Iterable[str] | None = None,
        remove: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> models.MembersUpdated:
        """Put users into a group and take others out, all or nothing.

        All or nothing, of at most 1,000 users together. Nothing happens to those who are in the group already, or are
        not in it: the answer names those who came and went. Names that nobody bears are told in `details`.

        Needs: administrator.

        Args:
            name: The name of the group, in upper or lower case.
            add: The usernames of those who are to be in it.
            remove: The usernames of those who are not to be in it.

        Raises:
            InvalidArgument: a user is to be put in and taken out, or they are too many.
            PermissionDenied: the caller is no administrator, or provisioning manages the group.
            NotFound: there is no such group, or a user of such a name; `details` names them.
            FailedPrecondition: a user to be put in is in as many groups as calls put a user into.
        """
        return self._run(
            table.UPDATE_MEMBERS, {"name": name, "add": items_or_none(add), "remove": items_or_none(remove)}, timeout
        )

    def add_member(self, name: str, username: str, *, timeout: float | None = None) -> Answer:
        """Add a user to a group; nothing happens if they are a member.

        Needs: administrator.

        Args:
            name: The name of the group, in upper or lower case.
            username: The username of the member, in upper or lower case.

        Raises:
            PermissionDenied: the caller is no administrator, or provisioning manages the group.
            NotFound: there is no such group or user.
            FailedPrecondition: the user is in as many groups as calls put a user into.
        """
        return self._run(table.ADD_MEMBER, {"name": name, "username": username}, timeout)

    def remove_member(self, name: str, username: str, *, timeout: float | None = None) -> Answer:
        """Remove a user from a group.

        Needs: administrator.

        Args:
            name: The name of the group, in upper or lower case.
            username: The username of the member, in upper or lower case.

        Raises:
            PermissionDenied: the caller is no administrator, or provisioning manages the group.
            NotFound: there is no such group or user, or the user is not in it.
        """
        return self._run(table.REMOVE_MEMBER, {"name": name, "username": username}, timeout)

    def list_tokens(
        self,
        *,
        username: str | None = None,
        all: bool = False,
        unused_for: str | None = None,
        expires_after: datetime | None = None,
        expires_before: datetime | None = None,
        expires: Literal["never"] | None = None,
        of_disabled: bool = False,
        scopes: Literal["none"] | None = None,
        order_by: Literal[
            "created_at",
            "-created_at",
            "expires_at",
            "-expires_at",
            "last_used_at",
            "-last_used_at",
            "name",
            "-name",
            "username",
            "-username",
        ]
        | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.TokenList, models.Token]:
        """List the caller's tokens, or another user's, or everybody's, newest first, without those revoked.

        Newest first; another user's, and with `all` everybody's, only for administrators. Filters: a time for which
        they have not been used (or, if never, have been there), a time that they end after, one that they end before,
        no end, no scopes, a disabled user.

        Needs: scope tokens; others': administrator.

        Args:
            username: The user whose tokens they are; the caller if left out.
            all: True for those of all users; only for administrators.
            unused_for: Only those that were not used for so long, as `90d` or `12h`.
            expires_after: Only those that end, and do so after this time.
            expires_before: Only those that end before this time.
            expires: `never`: only those that have no end.
            of_disabled: True for those of disabled users alone.
            scopes: `none`: only those that can do all that their users may.
            order_by: Behind - descending. Without it: -created_at.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            InvalidArgument: a user is named, and everybody's tokens are asked for.
            PermissionDenied: they are another user's, and the caller is no administrator; or the token is too narrow.
            NotFound: there is no such user.
        """
        return self._pages(
            table.LIST_TOKENS,
            {
                "username": username,
                "all": all or None,
                "unused_for": unused_for,
                "expires_after": expires_after,
                "expires_before": expires_before,
                "expires": expires,
                "of_disabled": of_disabled or None,
                "scopes": scopes,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def create_token(
        self,
        *,
        username: str | None = None,
        name: str | None = None,
        scopes: Iterable[models.ScopeText] | None = None,
        expires_at: datetime | None = None,
        timeout: float | None = None,
    ) -> models.NewToken:
        """Make a token, which can do no more, and live no longer, than the one it is made with, and is revoked with it.

        Another user's only for administrators.

        Needs: scope tokens; others': administrator.

        Args:
            username: The user whose token it is to be; the caller if left out.
            name: A name, for people; empty if it is left out.
            scopes: What the token may do at most, of what its user may; None, or left out: all of it.
            expires_at: When it ends: after now, before the year 2200; None: never.

        Raises:
            PermissionDenied: it is for somebody else, and the caller is no administrator; or it would widen.
            NotFound: there is no such user.
            FailedPrecondition: too many tokens were made with one another.
        """
        return self._run(
            table.CREATE_TOKEN,
            {"username": username, "name": name, "scopes": items_or_none(scopes), "expires_at": expires_at},
            timeout,
        )

    def get_token(self, token_id: UUID | str, *, timeout: float | None = None) -> models.TokenView:
        """Return a token, and how many would be revoked with it.

        Names one token by its id, which is no secret.

        Needs: scope tokens; others': administrator.

        Args:
            token_id: The id of the token, which is no secret.

        Raises:
            NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
            PermissionDenied: the token that calls is too narrow.
        """
        return self._run(table.GET_TOKEN, {"token_id": token_id}, timeout)

    def revoke_token(
        self,
        token_id: UUID | str,
        *,
        keep_descendants: bool = False,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> models.Revoked:
        """Revoke a token and those made with it: they are refused from the very next request on.

        What took its place by rotation goes, too, and what was made with that. Very many go in several transactions,
        those first that have made none, so that none survives what made it: asked again after a failure, the call
        goes on.

        With `keep_descendants` those made with it are not revoked, and go on as if what made it had made them; this
        takes a token that is none of them.

        Needs: scope tokens; others': administrator.

        Args:
            token_id: The id of the token, which is no secret.
            keep_descendants: True to revoke none of those that were made with it.

        Raises:
            NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
            PermissionDenied: the token that calls is too narrow, or is one of those that it asks to keep.
            PreconditionFailed: it is not what the caller has seen.
            Aborted: it has made more tokens than the call revokes, or keeps, in its time; ask again.
        """
        return self._run(
            table.REVOKE_TOKEN,
            {"token_id": token_id, "keep_descendants": keep_descendants or None},
            timeout,
            if_match=if_match,
        )

    def rotate_token(
        self, token_id: UUID | str, *, overlap_seconds: int | None = None, timeout: float | None = None
    ) -> models.RotatedToken:
        """Make a token that takes another's place, and let that one end after a while.

        It has the same user, name, scopes and expiry, and becomes the parent of the tokens made with the old one.

        The old one stays good for `overlap_seconds`, at most an hour, so that whatever uses it can be given the new
        one.

        Needs: scope tokens; others': administrator.

        Args:
            token_id: The id of the token, which is no secret.
            overlap_seconds: Seconds that the old one stays good for; 300 if it is left out.

        Raises:
            NotFound: there is none, it was revoked, or it is another user's and the caller is no administrator.
            PermissionDenied: the token that calls is too narrow, ends before, or was made with that which it is to
                replace.
            FailedPrecondition: it has expired, was rotated before, or has made too many; or too many follow one
                another.
        """
        return self._run(table.ROTATE_TOKEN, {"token_id": token_id, "overlap_seconds": overlap_seconds}, timeout)

    def apply(
        self,
        *,
        pipelines: Iterable[models.DeclaredPipelineInput] | None = None,
        groups: Iterable[models.DeclaredGroupInput] | None = None,
        prune: bool = False,
        dry_run: bool = False,
        plan: str | None = None,
        timeout: float | None = None,
    ) -> models.Applied:
        """Put a declared state in place, all or nothing; or tell what that would change.

        A rehearsal makes the changes and takes them back, so that it is refused by what would refuse them.

        Each is found by its name, regardless of case, and made if there is none. What is declared is put there, by
        the rules of the call that changes it alone; what is not declared stays. With `prune` it goes, in the lists
        that are given: grants and members beside those that are declared, and pipelines and groups beside those, as
        far as the caller may read them; a pipeline that has jobs in it is not deleted. `dry_run` answers what would
        be changed, or by what it would be refused, and changes nothing. The `plan` of that answer lets a call go on
        only if it would change the same.

        Needs: for each difference, what its own call needs.

        Args:
            pipelines: The pipelines that there are to be.
            groups: The groups that there are to be.
            prune: True to delete what is not declared.
            dry_run: True to change nothing, and say what would be.
            plan: The plan of a dry run: refused if the changes would be others.

        Raises:
            InvalidArgument: something is declared twice, or a grant is to both a user and a group or to neither.
            PermissionDenied: the caller may not make one of the changes.
            NotFound: there is no user or group of a name, or no pipeline that the caller may see.
            AlreadyExists: a name is taken by what the caller may not see.
            FailedPrecondition: jobs are in a pipeline that is to be deleted, or there is too much to change at once.
            PreconditionFailed: the changes are not those of the plan.
        """
        return self._run(
            table.APPLY,
            {
                "pipelines": items_or_none(pipelines),
                "groups": items_or_none(groups),
                "prune": prune or None,
                "dry_run": dry_run or None,
                "plan": plan,
            },
            timeout,
        )

    def list_audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order_by: Literal["at", "-at"] | None = None,
        total: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Pages[models.Audit, models.Entry]:
        """List the rows of the audit trail, newest first, each with the state before and after.

        A page ends early where those states are large, and where it has examined very many entries for an actor or an
        action: it may have none, and yet another one behind it.

        Newest first. Filters: the actor's username, the action, the target, and a time from (included) and to. For an
        actor or an action a page looks at 50,000 changes at most: it may be empty, and yet have a `next_page_token`.

        Needs: administrator.

        Args:
            actor: Only changes by this username, as it was then.
            action: Only changes of this kind, such as `group.create`.
            target: Only changes of this, such as `job:4711`.
            since: Only changes at this time or later.
            until: Only changes before this time.
            order_by: Behind - descending. Without it: -at.
            total: Whether the answer says how many there are: total_size up to 10,000, beyond that
                total_size_at_least.

        Raises:
            PermissionDenied: the caller is no administrator.
        """
        return self._pages(
            table.LIST_AUDIT,
            {
                "actor": actor,
                "action": action,
                "target": target,
                "since": since,
                "until": until,
                "order_by": order_by,
                "total": total or None,
                "page_size": page_size,
                "page_token": page_token,
            },
            timeout,
        )

    def prove_entry(self, id: str, *, timeout: float | None = None) -> models.Proof:
        """Prove that an entry was there when it was sealed; whether it is still what it was shows when its leaf is hashed.

        Needs: administrator.

        Args:
            id: The number of the entry.

        Raises:
            PermissionDenied: the caller is no administrator.
            NotFound: the organization has no such entry.
            FailedPrecondition: it is younger than the last seal.
        """
        return self._run(table.PROVE_ENTRY, {"id": id}, timeout)

    def list_changes(
        self,
        *,
        after: str | None = None,
        wait: int | None = None,
        all: bool = False,
        page_size: int | None = None,
        timeout: float | None = None,
    ) -> models.Changes:
        """List what has happened since a place in the feed, to what the caller may see now.

        Every change comes at least once, those of one object in the order in which they were made. Without `after`
        nothing has happened yet: `next_cursor` is where from now on begins. With `Accept: text/event-stream` the
        answer is a stream of the same changes that goes on, each an event with its cursor as its id; `Last-Event-ID`
        stands for `after` then.

        Args:
            after: The `next_cursor` of the answer before, or the `cursor` of a change; `0`: as far back as kept; left
                out: now.
            wait: Seconds to wait for a change if there is none yet.
            all: Whether every entry of the audit trail is wanted, which administrators may ask for.

        Raises:
            PermissionDenied: every entry is asked for, by somebody who is no administrator.
            InvalidArgument: `after` is no cursor of this organization.
            Gone: what came behind that place is not kept, or was in another history of the database.
        """
        return self._run(
            table.LIST_CHANGES, {"after": after, "wait": wait, "all": all or None, "page_size": page_size}, timeout
        )

    def get_overview(self, *, timeout: float | None = None) -> models.OverviewAnswer:
        """Return what needs attention in the organization: of each kind the number, and the first ten.

        A token without the scope `tokens` is told how many tokens are unused, and none of them, as it may see no
        others.

        Of each kind the number and the first ten. Numbers are counted up to 10,000, and among the first 50,000
        pipelines, grants of each kind, old tokens and newest jobs: beyond that `total_size_at_least` stands in the
        place of `total_size`.

        Needs: administrator, by a token that may flow_pipeline:read.

        Raises:
            PermissionDenied: the caller is no administrator, or their token may not read pipelines, which it names.
        """
        return self._run(table.GET_OVERVIEW, {}, timeout)
