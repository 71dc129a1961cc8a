-- Names are compared by Unicode's NFKC_Casefold, which drops what nobody sees, and may no longer be invisible, hold
-- control characters, or be words of addresses. What exists stays as it is and at work: this only brings the keys up to
-- date where nothing stands in the way, and says by WARNING, which `migrate` shows, what somebody should rename; and
-- `doctor` lists it from then on. Versions before go on to compare as they did, and at worst take one name too many.
--
-- No constraints come of it: one would fail every change of a row that is called so, and so every grant to such a user.
DO $$
DECLARE
    ignorable CONSTANT text :=
        '[\u00AD\u034F\u061C\u115F-\u1160\u17B4-\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
        || '\u2060-\u206F\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFF8\U0001BCA0-\U0001BCA3'
        || '\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]';
    unfit CONSTANT text :=
        '[\u0001-\u001F\u007F-\u009F\u061C\u200E-\u200F\u2028-\u202E\u2066-\u206F\uFDD0-\uFDEF'
        || '\uFFF9-\uFFFB\uFFFE-\uFFFF\U0001FFFE-\U0001FFFF\U0002FFFE-\U0002FFFF\U0003FFFE-\U0003FFFF'
        || '\U0004FFFE-\U0004FFFF\U0005FFFE-\U0005FFFF\U0006FFFE-\U0006FFFF\U0007FFFE-\U0007FFFF'
        || '\U0008FFFE-\U0008FFFF\U0009FFFE-\U0009FFFF\U000AFFFE-\U000AFFFF\U000BFFFE-\U000BFFFF'
        || '\U000CFFFE-\U000CFFFF\U000DFFFE-\U000DFFFF\U000EFFFE-\U000EFFFF\U000FFFFE-\U000FFFFF'
        || '\U0010FFFE-\U0010FFFF]|^[\u0020\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000\u2800'
        || '\U00013441-\U00013442\U00016FE4\U0001D159' || substr(ignorable, 2, length(ignorable) - 2) || ']+$';
    addresses CONSTANT text[] := '{.,..,me,pipelines}';
    each record;
BEGIN
    FOR each IN
        SELECT p.organization_id, p.id, btrim(normalize(regexp_replace(p.name_key, ignorable, '', 'g'), NFKC)) AS key
        FROM pipelines p
        WHERE p.name_key ~ ignorable OR p.name_key <> btrim(p.name_key)
        ORDER BY p.organization_id, p.id
    LOOP
        BEGIN
            UPDATE pipelines p SET name_key = each.key
            WHERE p.organization_id = each.organization_id AND p.id = each.id AND each.key <> '';
        EXCEPTION WHEN unique_violation THEN
            RAISE WARNING 'Pipeline % of organization % has a name that counts as another one''s now: rename one of them.',
                each.id, each.organization_id;
        END;
    END LOOP;

    FOR each IN
        SELECT found.kind, found.organization_id, count(*) AS number, min(found.key) AS first
        FROM (
            SELECT 'user' AS kind, u.organization_id, u.username AS key FROM users u
            WHERE lower(u.username) = ANY (addresses)
            UNION ALL
            SELECT 'group', g.organization_id, g.name FROM groups g WHERE lower(g.name) = ANY (addresses)
            UNION ALL
            SELECT 'job', j.organization_id, j.id FROM jobs j WHERE j.id = ANY (addresses)
        ) found
        GROUP BY found.kind, found.organization_id
    LOOP
        RAISE WARNING 'Organization % has % called like an address, such as "%": %', each.organization_id,
            each.number || ' ' || each.kind || CASE WHEN each.number > 1 THEN 's' ELSE '' END, each.first,
            CASE each.kind
                WHEN 'job' THEN 'register it by another id, and forget this one by `job delete`.'
                ELSE 'no URL leads there; `import` of its record by the same id with another name renames it.'
            END;
    END LOOP;

    FOR each IN
        SELECT found.kind, found.organization_id, count(*) AS number, min(found.key) AS first
        FROM (
            SELECT 'pipeline' AS kind, p.organization_id, p.id::text AS key FROM pipelines p WHERE p.name ~ unfit
            UNION ALL
            SELECT 'organization', o.id, o.id::text FROM organizations o WHERE o.name ~ unfit
            UNION ALL
            SELECT 'job', j.organization_id, j.id FROM jobs j WHERE j.name ~ unfit
            UNION ALL
            SELECT 'token', t.organization_id, t.id::text FROM tokens t WHERE t.revoked_at IS NULL AND t.name ~ unfit
        ) found
        GROUP BY found.kind, found.organization_id
    LOOP
        RAISE WARNING 'Organization % has % named with control, bidirectional or only invisible characters, as %: %',
            each.organization_id,
            each.number || ' ' || each.kind || CASE WHEN each.number > 1 THEN 's' ELSE '' END, each.first,
            CASE each.kind
                WHEN 'token' THEN 'revoke it, and make another.'
                ELSE 'rename it, or `import` of an export will refuse it.'
            END;
    END LOOP;
END $$;
