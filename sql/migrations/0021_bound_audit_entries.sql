-- What is in the trail by now becomes its first partition (0023), up to the begin of a month that is a week away at least:
-- until then entries go on to be written into it. The constraint saves reading all of it while everything is locked.
--
-- What versions from 0004 on lose by it is to date an entry further ahead, which only a clock gone wrong does.
-- compatible-from: 0004
DO $$
DECLARE
    bound CONSTANT text := to_char(
        date_trunc('month', (now() + interval '7 days') AT TIME ZONE 'UTC') + interval '1 month', 'YYYY-MM-DD'
    ) || ' 00:00:00+00';
BEGIN
    EXECUTE format('ALTER TABLE audit ADD CONSTRAINT audit_earlier_bounded CHECK (at < %L::timestamptz) NOT VALID', bound);
END $$;
