-- An update of a job's pipelines is one statement: it reads the job's set and then locks the job, and must see whether
-- another update was committed between the two. So every change of the set counts here.
--
-- Room for that count in each page of jobs, so that it costs no index a new entry.
ALTER TABLE jobs ADD COLUMN revision bigint NOT NULL DEFAULT 0;
ALTER TABLE jobs SET (fillfactor = 85);
COMMENT ON COLUMN jobs.revision IS 'how often its set of pipelines was replaced; changes only while the job is locked';
