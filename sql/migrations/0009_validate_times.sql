-- Brings the times that are out of bounds, which nothing new can be since 0007, to the nearest that are not: what would
-- end beyond the last year ends there, what ended before the first has ended. Then the constraints hold for all rows.
-- None of this keeps others from reading, or from writing other rows.

UPDATE organizations SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00';
ALTER TABLE organizations VALIDATE CONSTRAINT organizations_times_bounded;

UPDATE users SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00';
ALTER TABLE users VALIDATE CONSTRAINT users_times_bounded;

UPDATE groups SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00';
ALTER TABLE groups VALIDATE CONSTRAINT groups_times_bounded;

UPDATE memberships SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00';
ALTER TABLE memberships VALIDATE CONSTRAINT memberships_times_bounded;

UPDATE tokens SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END,
    expires_at = CASE WHEN expires_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN expires_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE expires_at END,
    last_used_at = CASE WHEN last_used_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN last_used_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE last_used_at END,
    revoked_at = CASE WHEN revoked_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN revoked_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE revoked_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00'
    OR expires_at < '1970-01-01 00:00:00+00' OR expires_at >= '2200-01-01 00:00:00+00'
    OR last_used_at < '1970-01-01 00:00:00+00' OR last_used_at >= '2200-01-01 00:00:00+00'
    OR revoked_at < '1970-01-01 00:00:00+00' OR revoked_at >= '2200-01-01 00:00:00+00';
ALTER TABLE tokens VALIDATE CONSTRAINT tokens_times_bounded;

UPDATE pipelines SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END,
    updated_at = CASE WHEN updated_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN updated_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE updated_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00'
    OR updated_at < '1970-01-01 00:00:00+00' OR updated_at >= '2200-01-01 00:00:00+00';
ALTER TABLE pipelines VALIDATE CONSTRAINT pipelines_times_bounded;

UPDATE user_grants SET
    expires_at = CASE WHEN expires_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN expires_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE expires_at END,
    updated_at = CASE WHEN updated_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN updated_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE updated_at END
WHERE expires_at < '1970-01-01 00:00:00+00' OR expires_at >= '2200-01-01 00:00:00+00'
    OR updated_at < '1970-01-01 00:00:00+00' OR updated_at >= '2200-01-01 00:00:00+00';
ALTER TABLE user_grants VALIDATE CONSTRAINT user_grants_times_bounded;

UPDATE group_grants SET
    expires_at = CASE WHEN expires_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN expires_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE expires_at END,
    updated_at = CASE WHEN updated_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN updated_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE updated_at END
WHERE expires_at < '1970-01-01 00:00:00+00' OR expires_at >= '2200-01-01 00:00:00+00'
    OR updated_at < '1970-01-01 00:00:00+00' OR updated_at >= '2200-01-01 00:00:00+00';
ALTER TABLE group_grants VALIDATE CONSTRAINT group_grants_times_bounded;

UPDATE jobs SET
    created_at = CASE WHEN created_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN created_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE created_at END
WHERE created_at < '1970-01-01 00:00:00+00' OR created_at >= '2200-01-01 00:00:00+00';
ALTER TABLE jobs VALIDATE CONSTRAINT jobs_times_bounded;

UPDATE assignments SET
    assigned_at = CASE WHEN assigned_at < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00' WHEN assigned_at >= '2200-01-01 00:00:00+00' THEN '2199-12-31 23:59:59.999999+00' ELSE assigned_at END
WHERE assigned_at < '1970-01-01 00:00:00+00' OR assigned_at >= '2200-01-01 00:00:00+00';
ALTER TABLE assignments VALIDATE CONSTRAINT assignments_times_bounded;

ALTER TABLE tokens VALIDATE CONSTRAINT tokens_parent_fkey;
