-- The role that serves has no right to delete tokens, and those of a user are deleted with them. It gets this, to delete very
-- many of them ahead, a part at a time. A token with which others were made stays, as they would be deleted with it.
CREATE FUNCTION delete_tokens(of_organization uuid, deleted uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    DELETE FROM tokens t
    WHERE t.organization_id = of_organization AND t.id = ANY (deleted)
      AND NOT EXISTS (SELECT FROM tokens c WHERE c.organization_id = t.organization_id AND c.parent_id = t.id);
END;
REVOKE EXECUTE ON FUNCTION delete_tokens(uuid, uuid[]) FROM PUBLIC;
