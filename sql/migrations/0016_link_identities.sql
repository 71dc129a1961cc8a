-- People come with the identity they have: whoever an identity provider (its issuer) knows by a subject is a user here, by a
-- link. Nothing else of what the provider says is stored: groups and roles that its claims are mapped to count for a request.
CREATE TABLE identity_links (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    secret bytea NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    CONSTRAINT identity_links_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT identity_links_user_fkey
        FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT identity_links_issuer_valid CHECK (char_length(issuer) BETWEEN 1 AND 500),
    CONSTRAINT identity_links_subject_valid CHECK (char_length(subject) BETWEEN 1 AND 255),
    CONSTRAINT identity_links_secret_is_sha256 CHECK (octet_length(secret) = 32),
    CONSTRAINT identity_links_times_bounded CHECK (
        created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'
        AND last_used_at >= '1970-01-01 00:00:00+00' AND last_used_at < '2200-01-01 00:00:00+00'
    )
) WITH (fillfactor = 85);
-- By the identity first: where no organization is named, the link says which it is.
CREATE UNIQUE INDEX identity_links_identity_unique ON identity_links (issuer, subject, organization_id);
CREATE INDEX identity_links_by_user ON identity_links (organization_id, user_id, created_at, id);
COMMENT ON COLUMN identity_links.secret IS 'signs the page tokens of whoever comes by the link, whose own tokens change every few minutes';

-- As before, and for a change that came by a link: its id stands in the place of a token's.
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
    WHERE t.organization_id = NEW.organization_id AND t.id = NEW.token_id AND t.user_id = NEW.actor_id;
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
