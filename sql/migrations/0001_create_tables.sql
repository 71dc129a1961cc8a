-- The first shape of the data. Every key leads with organization_id: it is the isolation boundary, and the distribution
-- column should an installation ever need one. The one exception, tokens_digest_unique, is how a caller is found before
-- anyone knows which organization they are of.
--
-- Sets of permissions are smallint bit sets, so that a union is bit_or():
--   1 read, 2 write, 4 execute, 8 delete, 16 manage_pipelines, 32 manager (a standing, not a permission);
--   in scopes 32 is "admin" and 64 is "tokens".
-- Patterns are of one character and lengths are counted apart: {1,128} in a pattern makes a check forty times slower.
-- Text that is ordered or compared has COLLATE "C": the order of a page must not change with the host's locale library.

-- Every revision, whoever it concerns, is drawn from here: no value is ever used twice, so equal revisions mean equal state.
CREATE SEQUENCE revisions AS bigint;

CREATE TABLE organizations (
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    revision bigint NOT NULL DEFAULT nextval('revisions'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organizations_pkey PRIMARY KEY (id),
    CONSTRAINT organizations_name_valid CHECK (char_length(name) BETWEEN 1 AND 255)
);
COMMENT ON COLUMN organizations.revision IS 'of what its administrators see: drawn anew when a pipeline comes, goes or is renamed';

CREATE TABLE users (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    username text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL DEFAULT 'member',
    disabled boolean NOT NULL DEFAULT false,
    revision bigint NOT NULL DEFAULT nextval('revisions'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT users_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT users_username_valid CHECK (char_length(username) BETWEEN 1 AND 100 AND username !~ '[^A-Za-z0-9_.@-]'),
    CONSTRAINT users_role_valid CHECK (role IN ('member', 'pipeline_admin', 'admin'))
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX users_username_unique ON users (organization_id, lower(username));

CREATE TABLE groups (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    revision bigint NOT NULL DEFAULT nextval('revisions'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT groups_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT groups_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT groups_name_valid CHECK (char_length(name) BETWEEN 1 AND 100 AND name !~ '[^A-Za-z0-9_.@-]')
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX groups_name_unique ON groups (organization_id, lower(name));

CREATE TABLE memberships (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    group_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT memberships_pkey PRIMARY KEY (organization_id, user_id, group_id),
    CONSTRAINT memberships_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT memberships_group_fkey FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX memberships_by_group ON memberships (organization_id, group_id, user_id);

CREATE TABLE tokens (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL DEFAULT '',
    digest bytea NOT NULL,
    scopes smallint,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT tokens_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT tokens_digest_unique UNIQUE (digest),
    CONSTRAINT tokens_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT tokens_digest_is_sha256 CHECK (octet_length(digest) = 32),
    CONSTRAINT tokens_scopes_valid CHECK (scopes BETWEEN 1 AND 127),
    CONSTRAINT tokens_name_valid CHECK (char_length(name) <= 255)
) WITH (fillfactor = 85);
CREATE INDEX tokens_by_user ON tokens (organization_id, user_id);
COMMENT ON COLUMN tokens.digest IS 'SHA-256 of the raw token, which is stored nowhere';
COMMENT ON COLUMN tokens.scopes IS 'NULL: all that the user may';

CREATE TABLE pipelines (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pipelines_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT pipelines_organization_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id),
    CONSTRAINT pipelines_name_unique UNIQUE (organization_id, name_key),
    CONSTRAINT pipelines_name_valid CHECK (char_length(name) BETWEEN 1 AND 255 AND name !~ '[\x01-\x1f\x7f]'),
    CONSTRAINT pipelines_description_valid CHECK (char_length(description) <= 10000)
);
CREATE INDEX pipelines_by_name ON pipelines (organization_id, name, id);
COMMENT ON COLUMN pipelines.name_key IS 'name, normalised and case-folded by the service (the database folds only ASCII in every locale)';

-- Grants stand in two tables, so that each has a real key and real references; the view grants reads both.
CREATE TABLE user_grants (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    access smallint NOT NULL,
    expires_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_grants_pkey PRIMARY KEY (organization_id, user_id, pipeline_id),
    CONSTRAINT user_grants_user_fkey FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT user_grants_pipeline_fkey FOREIGN KEY (organization_id, pipeline_id) REFERENCES pipelines (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT user_grants_include_read CHECK (access BETWEEN 1 AND 63 AND access & 1 = 1)
);
CREATE INDEX user_grants_by_pipeline ON user_grants (organization_id, pipeline_id);

CREATE TABLE group_grants (
    organization_id uuid NOT NULL,
    group_id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    access smallint NOT NULL,
    expires_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT group_grants_pkey PRIMARY KEY (organization_id, group_id, pipeline_id),
    CONSTRAINT group_grants_group_fkey FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT group_grants_pipeline_fkey FOREIGN KEY (organization_id, pipeline_id) REFERENCES pipelines (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT group_grants_include_read CHECK (access BETWEEN 1 AND 63 AND access & 1 = 1)
);
CREATE INDEX group_grants_by_pipeline ON group_grants (organization_id, pipeline_id);

CREATE VIEW grants AS
    SELECT organization_id, pipeline_id, user_id, NULL::uuid AS group_id, access, expires_at, updated_at FROM user_grants
    UNION ALL
    SELECT organization_id, pipeline_id, NULL::uuid, group_id, access, expires_at, updated_at FROM group_grants;

CREATE TABLE jobs (
    organization_id uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT jobs_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT jobs_owner_fkey FOREIGN KEY (organization_id, owner_id) REFERENCES users (organization_id, id),
    CONSTRAINT jobs_id_valid CHECK (char_length(id) BETWEEN 1 AND 128 AND id !~ '[^A-Za-z0-9_.:-]' AND id <> 'pipelines'),
    CONSTRAINT jobs_name_valid CHECK (char_length(name) <= 255)
);
CREATE INDEX jobs_by_owner ON jobs (organization_id, owner_id, created_at);
CREATE INDEX jobs_by_age ON jobs (organization_id, created_at, id);

CREATE TABLE assignments (
    organization_id uuid NOT NULL,
    job_id text COLLATE "C" NOT NULL,
    pipeline_id uuid NOT NULL,
    position integer NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assignments_pkey PRIMARY KEY (organization_id, job_id, pipeline_id),
    CONSTRAINT assignments_job_fkey FOREIGN KEY (organization_id, job_id) REFERENCES jobs (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT assignments_pipeline_fkey FOREIGN KEY (organization_id, pipeline_id) REFERENCES pipelines (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX assignments_by_pipeline ON assignments (organization_id, pipeline_id, assigned_at, job_id);
COMMENT ON COLUMN assignments.position IS 'the place of the pipeline in the job''s own order, ascending, not necessarily without gaps';

-- Names are kept beside the ids: the trail must read the same when what it speaks of is gone, so it references nothing.
CREATE TABLE audit (
    organization_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,
    actor text COLLATE "C" NOT NULL,
    token_id uuid,
    action text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    before jsonb,
    after jsonb,
    request_id text COLLATE "C",
    CONSTRAINT audit_pkey PRIMARY KEY (organization_id, id)
);
COMMENT ON COLUMN audit.actor IS 'a username, or "command line" with no actor_id';
COMMENT ON COLUMN audit.target IS 'what was changed, as kind:key, such as job:4711';
