-- People have names and addresses. Their keys are folded by the service, as those of pipelines are (the database folds only
-- ASCII in every locale): they are found and sorted by these.
--
-- What versions from 0004 on lose by it is nothing, as they write none of these columns.
-- compatible-from: 0004
ALTER TABLE users ADD COLUMN display_name text COLLATE "C";
ALTER TABLE users ADD COLUMN display_name_key text COLLATE "C";
ALTER TABLE users ADD COLUMN email text COLLATE "C";
ALTER TABLE users ADD COLUMN email_key text COLLATE "C";
-- Not validated: every row has NULL by now, and what is written from now on is checked.
ALTER TABLE users ADD CONSTRAINT users_display_name_valid CHECK (char_length(display_name) BETWEEN 1 AND 255) NOT VALID;
ALTER TABLE users ADD CONSTRAINT users_email_valid CHECK (char_length(email) BETWEEN 3 AND 320) NOT VALID;
COMMENT ON COLUMN users.display_name_key IS 'display_name, normalised and case-folded by the service; NULL without one';
COMMENT ON COLUMN users.email_key IS 'email, normalised and case-folded by the service; NULL without one';

-- Who was deleted, whose name nobody else gets: the audit trail goes on to show it, and must mean one person by it. A table
-- of its own, so that whatever reads users knows nobody who is gone.
CREATE TABLE deleted_users (
    organization_id uuid NOT NULL CONSTRAINT deleted_users_organization_fkey REFERENCES organizations (id),
    id uuid NOT NULL,
    username text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT deleted_users_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT deleted_users_times_bounded CHECK (
        deleted_at >= '1970-01-01 00:00:00+00' AND deleted_at < '2200-01-01 00:00:00+00'
    )
);
CREATE UNIQUE INDEX deleted_users_username_unique ON deleted_users (organization_id, lower(username));

-- Whichever way somebody comes, by a call, an import or a version before, the name is refused. Asked after the insert, which
-- waits for a deletion of the same name that is under way: in its snapshot the name would still be free.
CREATE FUNCTION reserve_username() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM deleted_users d
        WHERE d.organization_id = NEW.organization_id AND lower(d.username) = lower(NEW.username) AND d.id <> NEW.id
    ) THEN
        RAISE unique_violation USING
            CONSTRAINT = 'deleted_users_username_unique', TABLE = 'deleted_users', SCHEMA = 'public',
            MESSAGE = format('the username %s was that of a user who was deleted', NEW.username);
    END IF;
    DELETE FROM deleted_users d WHERE d.organization_id = NEW.organization_id AND d.id = NEW.id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION reserve_username() FROM PUBLIC;
CREATE TRIGGER reserve_on_insert AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION reserve_username();
CREATE TRIGGER reserve_on_rename AFTER UPDATE OF username ON users FOR EACH ROW
WHEN (old.username IS DISTINCT FROM new.username) EXECUTE FUNCTION reserve_username();

-- The role that serves has no right to delete users: it gets this, which keeps the name. What refers to the user is deleted
-- with them, but for jobs, which must be somebody else's by then: else it fails.
CREATE FUNCTION delete_user(of_organization uuid, deleted uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM users u WHERE u.organization_id = of_organization AND u.id = deleted
        RETURNING u.organization_id, u.id, u.username
    )
    INSERT INTO deleted_users (organization_id, id, username) SELECT g.organization_id, g.id, g.username FROM gone g;
END;
REVOKE EXECUTE ON FUNCTION delete_user(uuid, uuid) FROM PUBLIC;
