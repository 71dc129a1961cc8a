-- The last active administrator is looked for, and locked, at each change of a user: without reading all users.
CREATE INDEX users_administrators ON users (organization_id) WHERE role = 'admin' AND NOT disabled;

-- A user's tokens are listed newest first.
DROP INDEX tokens_by_user;
CREATE INDEX tokens_by_user ON tokens (organization_id, user_id, created_at, id);

-- The trail is asked for what happened to one thing.
CREATE INDEX audit_by_target ON audit (organization_id, target, id);
