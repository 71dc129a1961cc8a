-- The end of a token only comes nearer, whoever serves: what was revoked stays so, and by when; what expires is not
-- prolonged. The role that serves must be able to revoke and to shorten, and a privilege can't tell the direction. Whoever
-- may change the whole table, its owner, is not asked: that is the command line, an import, and a restore.
CREATE FUNCTION keep_token_ended() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL)
       OR (OLD.expires_at IS NOT NULL AND NEW.expires_at IS NULL) OR NEW.expires_at > OLD.expires_at
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'a token that has ended stays so, and none is prolonged: make another';
    END IF;
    NEW.revoked_at := COALESCE(OLD.revoked_at, CASE WHEN NEW.revoked_at IS NOT NULL THEN now() END);
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION keep_token_ended() FROM PUBLIC;

CREATE TRIGGER keep_ended_on_update BEFORE UPDATE OF revoked_at, expires_at ON tokens FOR EACH ROW
WHEN (NOT has_table_privilege('public.tokens', 'UPDATE')) EXECUTE FUNCTION keep_token_ended();
ALTER TABLE tokens ENABLE ALWAYS TRIGGER keep_ended_on_update;

-- As before, and a token that had ended before this transaction began attests nothing any more. One that ends in it does:
-- a token may revoke itself.
CREATE OR REPLACE FUNCTION attest_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    known pg_catalog.text;
BEGIN
    IF pg_catalog.has_table_privilege(TG_RELID, 'UPDATE') THEN
        RETURN NEW;
    END IF;
    SELECT u.username INTO known
    FROM public.tokens t
    JOIN public.users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE t.organization_id = NEW.organization_id AND t.id = NEW.token_id AND t.user_id = NEW.actor_id
      AND (t.revoked_at IS NULL OR t.revoked_at >= pg_catalog.now())
      AND (t.expires_at IS NULL OR t.expires_at >= pg_catalog.now());
    IF NOT FOUND THEN
        SELECT u.username INTO known
        FROM public.identity_links l
        JOIN public.users u ON u.organization_id = l.organization_id AND u.id = l.user_id
        WHERE l.organization_id = NEW.organization_id AND l.id = NEW.token_id AND l.user_id = NEW.actor_id;
    END IF;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE =
            'a change must be audited with its user and a token or link of theirs; commands that change something connect as flow_migrator';
    END IF;
    NEW.actor := known;
    NEW.at := pg_catalog.clock_timestamp();
    RETURN NEW;
END $$;
