-- Retry, timeouts and pauses of workflow functions: options, verbs and their errors, what is shown.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_control LOGIN;
GRANT hermes_app TO regress_control;
CREATE FUNCTION test.waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.wait_signal('go'); END $$;
-- options of a type
SELECT n, test.try($q$ SELECT hermes.register_workflow('waits', 'test.waits(jsonb)', $1) $q$, options)
FROM (VALUES (1, '{"execution_timeout": 0}'::jsonb), (2, '{"retry": 3}'), (3, '{"retry": {"attempts": 3}}'), (4, '{"retry": {"coefficient": 0.5}}'),
             (5, '{"retry": {"initial_interval": "10s", "max_interval": "5s"}}'), (6, '{"retry": {"max_attempts": -1}}'),
             (7, '{"retry": {"non_retryable": ["TemporalTimeout:Never"]}}'), (8, '{"retry": {"initial_interval": "-1s"}}')) AS o (n, options);
SELECT hermes.register_workflow('waits', 'test.waits(jsonb)', '{"run_as": "regress_control", "run_timeout": "1h", "retry": {"max_attempts": 5}}');
-- options of a start: nothing is stored where there are none
SELECT n, test.try($q$ SELECT hermes.start_workflow('waits', '{}', 'x', NULL, $1) $q$, options)
FROM (VALUES (1, '{"execution_timeout": "-1s"}'::jsonb), (2, '{"retry": {"max_attempts": 1.5}}'), (3, '{"retry": {"non_retryable": [7]}}')) AS o (n, options);
SELECT hermes.start_workflow('waits') AS plain \gset
SELECT hermes.start_workflow('waits', '{}', 'order-1', NULL, '{"execution_timeout": "2h", "run_timeout": "3h", "retry": {"max_attempts": 3, "non_retryable": ["23"]}}') AS id \gset
SELECT attributes FROM hermes.workflow_history(:'plain');
SELECT attributes #- '{options,expires_at}' AS attributes, (attributes -> 'options' ->> 'expires_at')::timestamptz - event_time AS expires FROM hermes.workflow_history(:'id');
-- one timeout stands for both: the one that is over first
SELECT e.due - s.event_time AS timeout FROM hermes.workflow_tasks e, hermes.workflow_history(:'plain') s WHERE e.execution_id = :'plain' AND e.kind = 'run_timeout';
SELECT e.due - s.event_time AS timeout FROM hermes.workflow_tasks e, hermes.workflow_history(:'id') s WHERE e.execution_id = :'id' AND e.kind = 'run_timeout';
-- a start delay is before both
SELECT hermes.start_workflow('waits', '{}', NULL, NULL, '{"start_delay": "10m"}') AS delayed \gset
SELECT hermes.start_workflow('waits', '{}', NULL, NULL, '{"start_delay": "10m", "execution_timeout": "30m"}') AS both \gset
SELECT t.kind, t.due - s.event_time AS after FROM hermes.workflow_tasks t, hermes.workflow_history(:'delayed') s WHERE t.execution_id = :'delayed' ORDER BY t.kind;
SELECT t.kind, t.due - s.event_time AS after FROM hermes.workflow_tasks t, hermes.workflow_history(:'both') s WHERE t.execution_id = :'both' ORDER BY t.kind;
SELECT hermes.workflow_status(:'id') ? 'expires_at' AS expires, hermes.workflow_status(:'plain') ?| '{expires_at,attempt,first_execution_id,next_execution_id}' AS plain;
-- a pause of one execution
SELECT test.try($q$ SELECT hermes.pause_workflow(NULL) $q$);
SELECT test.try($q$ SELECT hermes.pause_workflow('00000000-0000-7000-8000-000000000000') $q$);
SELECT test.try($q$ SELECT hermes.resume_workflow('00000000-0000-7000-8000-000000000000') $q$);
SELECT test.try(format($q$ SELECT hermes.pause_workflow(%L, 'why', '') $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.resume_workflow(%L) $q$, :'id'));
SELECT hermes.pause_workflow(:'id', 'audit', 'r1'), hermes.pause_workflow(:'id', 'audit', 'r1');
SELECT test.try(format($q$ SELECT hermes.pause_workflow(%L) $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.pause_workflow(%L, NULL, 'r2') $q$, :'id'));
SELECT status, hermes.workflow_status(execution_id) ->> 'status' AS same FROM hermes.workflows WHERE execution_id = :'id';
SELECT test.try($q$ SELECT hermes.start_workflow('waits', '{}', 'order-1') $q$) LIKE 'ERROR WF005%' AS open;
SELECT hermes.resume_workflow(:'id', 'found nothing');
SELECT event_type, attributes FROM hermes.workflow_history(:'id') WHERE event_type ~ 'aused' ORDER BY event_id;
SELECT hermes.pause_workflow(:'id'), hermes.terminate_workflow(:'id', 'enough'), hermes.pause_workflow(:'id'), hermes.resume_workflow(:'id');
-- of a type
SELECT test.try($q$ SELECT hermes.pause_workflow_type('nothing') $q$);
SELECT test.try($q$ SELECT hermes.resume_workflow_type('nothing') $q$);
SELECT test.try($q$ SELECT hermes.pause_workflow_type(NULL) $q$);
SELECT hermes.resume_workflow_type('waits');
SELECT hermes.pause_workflow_type('waits', 'maintenance'), hermes.pause_workflow_type('waits');
SELECT scope, name, reason, until IS NULL AS going_on FROM hermes.pauses;
SELECT hermes.resume_workflow_type('waits'), hermes.resume_workflow_type('waits');
-- rights
SELECT hermes.start_workflow('waits', '{}', NULL, 'acme') AS theirs \gset
SET ROLE regress_control;
SELECT hermes.pause_workflow(:'plain'), hermes.resume_workflow(:'plain');
SELECT test.try(format($q$ SELECT hermes.pause_workflow(%L) $q$, :'theirs'));
SELECT test.try(format($q$ SELECT hermes.resume_workflow(%L) $q$, :'theirs'));
SELECT test.try($q$ SELECT hermes.pause_workflow_type('waits') $q$);
RESET ROLE;
DROP OWNED BY regress_control;
DROP ROLE regress_control;
