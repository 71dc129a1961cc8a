-- People and groups come by SCIM from an identity provider, which alone changes what it manages: a row of these tables says
-- that it does, and by which id of its own (externalId) it knows them. Tables of their own, so that versions before and
-- everything that reads users and groups for permissions know nothing of it. Both are only touched under the lock of the
-- user or group that they are about.
--
-- What versions from 0004 on lose by it is nothing, as none of them writes what is new here.
-- compatible-from: 0004
CREATE TABLE provisioned_users (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    external_id text COLLATE "C",
    gives_role boolean NOT NULL DEFAULT false,
    deprovisioned boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provisioned_users_pkey PRIMARY KEY (organization_id, user_id),
    CONSTRAINT provisioned_users_user_fkey
        FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT provisioned_users_external_id_valid CHECK (char_length(external_id) BETWEEN 1 AND 255),
    CONSTRAINT provisioned_users_times_bounded CHECK (
        changed_at >= '1970-01-01 00:00:00+00' AND changed_at < '2200-01-01 00:00:00+00'
    )
);
CREATE INDEX provisioned_users_by_external_id ON provisioned_users (organization_id, external_id);
COMMENT ON COLUMN provisioned_users.gives_role IS 'true once provisioning has said which role they have: from then on it alone changes that';
COMMENT ON COLUMN provisioned_users.deprovisioned IS 'true once the identity provider has deleted them: nothing manages them, and while they are disabled it sees them no more';

CREATE TABLE provisioned_groups (
    organization_id uuid NOT NULL,
    group_id uuid NOT NULL,
    external_id text COLLATE "C",
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provisioned_groups_pkey PRIMARY KEY (organization_id, group_id),
    CONSTRAINT provisioned_groups_group_fkey
        FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT provisioned_groups_external_id_valid CHECK (char_length(external_id) BETWEEN 1 AND 255),
    CONSTRAINT provisioned_groups_times_bounded CHECK (
        changed_at >= '1970-01-01 00:00:00+00' AND changed_at < '2200-01-01 00:00:00+00'
    )
);
CREATE INDEX provisioned_groups_by_external_id ON provisioned_groups (organization_id, external_id);

-- One scope more, `scim`, has the bit 128. Validated by the next file, as that reads the whole table.
ALTER TABLE tokens DROP CONSTRAINT IF EXISTS tokens_scopes_valid,
    ADD CONSTRAINT tokens_scopes_valid CHECK (scopes BETWEEN 1 AND 255) NOT VALID;
