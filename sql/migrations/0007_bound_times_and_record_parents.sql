-- Every time that a client can set lies within bounds: infinity, and years that only PostgreSQL can write, came back as
-- failures for everybody who was shown them. And a token records the token that made it.
--
-- What versions from 0004 on lose by it is to write such times, which they should not: the statement fails instead.
-- compatible-from: 0004

-- Not validated here, which would keep everything locked while all rows are read; 0009 does that.
ALTER TABLE organizations ADD CONSTRAINT organizations_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE users ADD CONSTRAINT users_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE groups ADD CONSTRAINT groups_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE memberships ADD CONSTRAINT memberships_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE tokens ADD CONSTRAINT tokens_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00' AND
    expires_at >= '1970-01-01 00:00:00+00' AND expires_at < '2200-01-01 00:00:00+00' AND
    last_used_at >= '1970-01-01 00:00:00+00' AND last_used_at < '2200-01-01 00:00:00+00' AND
    revoked_at >= '1970-01-01 00:00:00+00' AND revoked_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE pipelines ADD CONSTRAINT pipelines_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00' AND
    updated_at >= '1970-01-01 00:00:00+00' AND updated_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE user_grants ADD CONSTRAINT user_grants_times_bounded CHECK (
    expires_at >= '1970-01-01 00:00:00+00' AND expires_at < '2200-01-01 00:00:00+00' AND
    updated_at >= '1970-01-01 00:00:00+00' AND updated_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE group_grants ADD CONSTRAINT group_grants_times_bounded CHECK (
    expires_at >= '1970-01-01 00:00:00+00' AND expires_at < '2200-01-01 00:00:00+00' AND
    updated_at >= '1970-01-01 00:00:00+00' AND updated_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE jobs ADD CONSTRAINT jobs_times_bounded CHECK (
    created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'
) NOT VALID;
ALTER TABLE assignments ADD CONSTRAINT assignments_times_bounded CHECK (
    assigned_at >= '1970-01-01 00:00:00+00' AND assigned_at < '2200-01-01 00:00:00+00'
) NOT VALID;

-- A token goes with the one that made it: it never lives longer, may more, or survives its revocation.
ALTER TABLE tokens ADD COLUMN parent_id uuid;
ALTER TABLE tokens ADD COLUMN replaced_by_id uuid;
ALTER TABLE tokens ADD CONSTRAINT tokens_parent_fkey FOREIGN KEY (organization_id, parent_id)
    REFERENCES tokens (organization_id, id) ON DELETE CASCADE NOT VALID;
COMMENT ON COLUMN tokens.parent_id IS 'the token that made it; NULL for one made at the command line, by an import, or before there was this column';
COMMENT ON COLUMN tokens.replaced_by_id IS 'the token that took its place by rotation';
