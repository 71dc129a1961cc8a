-- A statement that renames many pipelines draws revisions once for all of them. Row by row, it made a version of their
-- organization's row for each, and of each user's and group's that holds some, and looked through all of these for the
-- next: 30,000 took two minutes. Who holds the pipelines of one organization is counted together, too: beyond
-- max_holders_bumped() grants to users, or to groups, one revision stands for all members.
--
-- The workers of logical replication fire no trigger of a statement: for them there is one of rows.

-- Waited for in short turns: what waits for such a lock holds up all changes behind it.
DO $$ BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '300ms', true);
            LOCK TABLE pipelines IN SHARE ROW EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 20 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

-- The organizations that are there of pipelines, two arrays side by side, and whether so many users, or groups, hold these
-- that one revision stands for all. Of each pipeline, no more grants are counted than it takes to tell.
CREATE FUNCTION held_by_many(organization_ids uuid[], pipeline_ids uuid[])
RETURNS TABLE (organization_id uuid, many_users boolean, many_groups boolean) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    most CONSTANT bigint := max_holders_bumped();
BEGIN
    RETURN QUERY
    SELECT o.id, sum(held.users) > most, sum(held.groups) > most
    FROM (SELECT DISTINCT p.organization_id, p.id FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)) p
    JOIN organizations o ON o.id = p.organization_id
    CROSS JOIN LATERAL (
        SELECT (
            SELECT count(*) FROM (
                SELECT FROM user_grants ug WHERE ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
                LIMIT most + 1
            ) counted
        ) AS users, (
            SELECT count(*) FROM (
                SELECT FROM group_grants gg WHERE gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
                LIMIT most + 1
            ) counted
        ) AS groups
    ) held
    GROUP BY o.id;
END $$;
REVOKE EXECUTE ON FUNCTION held_by_many(uuid[], uuid[]) FROM PUBLIC;

-- As before, but those who are very many are told by organizations instead of pipelines.
CREATE OR REPLACE FUNCTION bump_viewers(organization_ids uuid[], pipeline_ids uuid[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    of_many_users uuid[];
    of_many_groups uuid[];
BEGIN
    SELECT coalesce(array_agg(h.organization_id) FILTER (WHERE h.many_users), '{}'),
           coalesce(array_agg(h.organization_id) FILTER (WHERE h.many_groups), '{}')
    INTO of_many_users, of_many_groups
    FROM held_by_many(organization_ids, pipeline_ids) h;
    UPDATE organizations o SET members_revision = next_revision() WHERE o.id = ANY (of_many_users || of_many_groups);
    PERFORM FROM groups g
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_groups)
    )
    ORDER BY g.organization_id, g.id FOR NO KEY UPDATE;
    UPDATE groups g SET revision = next_revision()
    WHERE (g.organization_id, g.id) IN (
        SELECT gg.organization_id, gg.group_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_groups)
    );
    PERFORM FROM users u
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_users)
    )
    ORDER BY u.organization_id, u.id FOR NO KEY UPDATE;
    UPDATE users u SET revision = next_revision()
    WHERE (u.organization_id, u.id) IN (
        SELECT ug.organization_id, ug.user_id
        FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
        JOIN user_grants ug ON ug.organization_id = p.organization_id AND ug.pipeline_id = p.id
        WHERE p.organization_id <> ALL (of_many_users)
    );
    -- Apart, and only if there are any: together with the others they would make the planner read all users.
    PERFORM bump_members(array_agg(gg.organization_id), array_agg(gg.group_id))
    FROM unnest(organization_ids, pipeline_ids) p (organization_id, id)
    JOIN group_grants gg ON gg.organization_id = p.organization_id AND gg.pipeline_id = p.id
    WHERE p.organization_id <> ALL (of_many_groups)
      AND NOT EXISTS (SELECT FROM groups g WHERE g.organization_id = gg.organization_id AND g.id = gg.group_id)
    HAVING count(*) > 0;
    PERFORM bump_administrators(array_agg(p.organization_id))
    FROM unnest(organization_ids) p (organization_id)
    WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = p.organization_id)
    HAVING count(*) > 0;
END $$;

-- After the renames, in a snapshot of its own: it sees the grants of every change that was waited for. A row whose name and
-- keys are as they were is in both tables, and so concerns nobody.
CREATE FUNCTION bump_renamed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization_ids uuid[];
    pipeline_ids uuid[];
BEGIN
    SELECT array_agg(r.organization_id), array_agg(r.id) INTO organization_ids, pipeline_ids
    FROM (
        SELECT c.organization_id, c.id
        FROM (
            (SELECT b.organization_id, b.id, b.name FROM before b EXCEPT SELECT a.organization_id, a.id, a.name FROM after a)
            UNION ALL
            (SELECT a.organization_id, a.id, a.name FROM after a EXCEPT SELECT b.organization_id, b.id, b.name FROM before b)
        ) c
        GROUP BY c.organization_id, c.id
    ) r;
    IF organization_ids IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM organizations o WHERE o.id = ANY (organization_ids) ORDER BY o.id FOR NO KEY UPDATE;
    UPDATE organizations o SET revision = next_revision() WHERE o.id = ANY (organization_ids);
    PERFORM bump_viewers(organization_ids, pipeline_ids);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION bump_renamed() FROM PUBLIC;

-- For the workers of logical replication, row by row: the organizations, in order, and the viewers of the pipeline that it
-- was, and of the one that it is.
CREATE OR REPLACE FUNCTION bump_holders() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization uuid;
BEGIN
    FOREACH organization IN ARRAY ARRAY[
        least(OLD.organization_id, NEW.organization_id), greatest(OLD.organization_id, NEW.organization_id)
    ] LOOP
        IF is_first_in_a_row('organization', organization, organization) THEN
            UPDATE organizations o SET revision = next_revision() WHERE o.id = organization;
        END IF;
    END LOOP;
    PERFORM bump_viewers(ARRAY[OLD.organization_id, NEW.organization_id], ARRAY[OLD.id, NEW.id]);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER bump_on_rename AFTER UPDATE ON pipelines REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION bump_renamed();
ALTER TABLE pipelines ENABLE ALWAYS TRIGGER bump_on_rename;
ALTER TABLE pipelines ENABLE REPLICA TRIGGER bump_holders_on_rename;
