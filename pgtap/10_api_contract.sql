-- The SQL surface that applications are written against: every function, view and type of schema hermes with its shape,
-- and a COMMENT on each. A change here is a change of the public interface: docs/reference.md changes with it.
-- Needs: database with the extension and pgTAP. Changes nothing.
BEGIN;
SET LOCAL search_path = public, pg_catalog;
SELECT no_plan();

CREATE TEMP TABLE contract (name, arguments, result, volatility, language) AS VALUES
    ('alter_activity_queue', 'name text, options jsonb', 'void', 'volatile', 'c'),
    ('add_compensation', 'name text, statement text, arguments jsonb DEFAULT ''{}''::jsonb', 'void', 'volatile', 'c'),
    ('alter_cascade_rule', 'name text, rule jsonb', 'integer', 'volatile', 'c'),
    ('alter_endpoint', 'id integer, url text, options jsonb DEFAULT ''{}''::jsonb', 'void', 'volatile', 'c'),
    ('alter_provider', 'name text, config jsonb', 'void', 'volatile', 'c'),
    ('alter_schedule', 'id text, spec jsonb DEFAULT NULL::jsonb, action jsonb DEFAULT NULL::jsonb, options jsonb DEFAULT NULL::jsonb, tenant text DEFAULT NULL::text, expected_version integer DEFAULT NULL::integer', 'integer', 'volatile', 'c'),
    ('apply_receipt', 'provider text, provider_message_id text, payload jsonb', 'hermes.signal_result', 'volatile', 'c'),
    ('await', 'handle bigint', 'jsonb', 'volatile', 'c'),
    ('await_all', 'handles bigint[]', 'jsonb', 'volatile', 'c'),
    ('await_any', 'handles bigint[]', 'bigint', 'volatile', 'c'),
    ('backfill_schedule', 'id text, since timestamp with time zone, until timestamp with time zone, overlap text DEFAULT NULL::text, tenant text DEFAULT NULL::text', 'void', 'volatile', 'c'),
    ('cancel', 'handle bigint', 'void', 'volatile', 'c'),
    ('cancel_cascade', 'cascade_id uuid, reason text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('cancel_task', 'token text, details jsonb DEFAULT NULL::jsonb', 'void', 'volatile', 'c'),
    ('cancel_workflow', 'execution_id uuid, reason text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('cascade_history', 'cascade_id uuid', 'TABLE(event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb)', 'stable', 'c'),
    ('cascade_status', 'cascade_id uuid', 'jsonb', 'stable', 'c'),
    ('channel_of_step', 'rule jsonb, step integer', 'text', 'immutable', 'sql'),
    ('closed_between', 'of_tenant text, since timestamp with time zone, until timestamp with time zone, at_most integer', 'TABLE(id uuid, closed_at timestamp with time zone, rule_id integer, key text, history bytea)', 'stable', 'sql'),
    ('complete_activity', 'execution_id uuid, activity_id text, result jsonb DEFAULT ''null''::jsonb', 'void', 'volatile', 'c'),
    ('complete_task', 'token text, result jsonb DEFAULT ''null''::jsonb', 'void', 'volatile', 'c'),
    ('compensate', 'options jsonb DEFAULT ''{}''::jsonb', 'integer', 'volatile', 'c'),
    ('complete_update', 'id text, result jsonb DEFAULT NULL::jsonb', 'void', 'volatile', 'c'),
    ('confirm_restore', '', 'void', 'volatile', 'c'),
    ('connectors_changed', '', 'trigger', 'volatile', 'c'),
    ('continue_as_new', 'input jsonb', 'void', 'volatile', 'c'),
    ('count_workflows', 'filter text DEFAULT NULL::text, group_by text DEFAULT NULL::text', 'TABLE(value text, executions bigint)', 'stable', 'c'),
    ('create_cascade_rule', 'name text, rule jsonb', 'integer', 'volatile', 'c'),
    ('create_day_partition', 'parent regclass, day timestamp with time zone', 'boolean', 'volatile', 'plpgsql'),
    ('create_endpoint', 'tenant text, url text, options jsonb DEFAULT ''{}''::jsonb', 'integer', 'volatile', 'c'),
    ('create_partitions', '', 'integer', 'volatile', 'sql'),
    ('create_provider', 'name text, config jsonb', 'integer', 'volatile', 'c'),
    ('create_schedule', 'id text, spec jsonb, action jsonb, options jsonb DEFAULT ''{}''::jsonb, tenant text DEFAULT NULL::text', 'integer', 'volatile', 'c'),
    ('create_search_attribute', 'name text, type text', 'void', 'volatile', 'c'),
    ('decode_execution', 'history bytea', 'TABLE(event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb)', 'immutable', 'c'),
    ('decode_history', 'history bytea', 'TABLE(event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb)', 'immutable', 'c'),
    ('delivery_series', '', 'TABLE(tenant text, channel text, provider_id integer, accepted bigint, ambiguous bigint, retried bigint, timed_out bigint, delivered bigint, failed_soft bigint, failed_hard bigint, failed_policy bigint, failed_config bigint, corrected bigint, states jsonb, receipts_timed bigint, latency_p50_ms double precision, latency_p95_ms double precision, latency_p99_ms double precision)', 'volatile', 'c'),
    ('drop_activity', 'name text', 'void', 'volatile', 'c'),
    ('drop_cascade_rule', 'name text', 'void', 'volatile', 'c'),
    ('drop_endpoint', 'id integer', 'void', 'volatile', 'c'),
    ('drop_old_partitions', 'history_age interval, attempt_age interval, key_age interval, delivery_age interval DEFAULT ''7 days''::interval, receipt_age interval DEFAULT ''00:00:00''::interval', 'SETOF text', 'volatile', 'plpgsql'),
    ('drop_provider', 'name text', 'void', 'volatile', 'c'),
    ('drop_schedule', 'id text, tenant text DEFAULT NULL::text', 'void', 'volatile', 'c'),
    ('drop_search_attribute', 'name text', 'void', 'volatile', 'c'),
    ('drop_secret', 'name text', 'void', 'volatile', 'c'),
    ('drop_workflow', 'name text, version integer DEFAULT NULL::integer', 'void', 'volatile', 'c'),
    ('dry_run', 'rule text, message jsonb, script jsonb DEFAULT ''{}''::jsonb', 'TABLE(event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb)', 'stable', 'c'),
    ('dry_run_rule', 'rule jsonb, message jsonb, script jsonb DEFAULT ''{}''::jsonb', 'TABLE(event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb)', 'stable', 'c'),
    ('enable_endpoint', 'id integer', 'void', 'volatile', 'c'),
    ('execute_activity', 'activity text, input jsonb DEFAULT ''{}''::jsonb, options jsonb DEFAULT ''{}''::jsonb', 'jsonb', 'volatile', 'c'),
    ('execute_child', 'type text, input jsonb DEFAULT ''{}''::jsonb, workflow_id text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'jsonb', 'volatile', 'c'),
    ('execute_update', 'IN execution_id uuid, IN name text, IN args jsonb DEFAULT ''{}''::jsonb, IN update_id text DEFAULT NULL::text, IN timeout interval DEFAULT ''00:00:20''::interval, INOUT result jsonb DEFAULT NULL::jsonb', NULL, 'volatile', 'c'),
    ('explain_workflow', 'execution_id uuid', 'TABLE(subject text, state text, since timestamp with time zone, due timestamp with time zone, detail text, hint text)', 'stable', 'c'),
    ('export_history', 'execution_id uuid', 'jsonb', 'stable', 'c'),
    ('fail_activity', 'execution_id uuid, activity_id text, failure jsonb', 'void', 'volatile', 'c'),
    ('fail_task', 'token text, failure jsonb', 'void', 'volatile', 'c'),
    ('fail_update', 'id text, message text, sqlstate text DEFAULT ''P0001''::text, detail text DEFAULT NULL::text, hint text DEFAULT NULL::text', 'void', 'volatile', 'c'),
    ('fetch', 'query text, arguments jsonb DEFAULT ''{}''::jsonb', 'jsonb', 'volatile', 'c'),
    ('first_id_at', 'at timestamp with time zone', 'uuid', 'immutable', 'c'),
    ('generate_webhook_secret', '', 'text', 'volatile', 'c'),
    ('get_version', 'change text, oldest integer, newest integer', 'integer', 'volatile', 'c'),
    ('grant_tenant', 'role_name name, tenant text', 'void', 'volatile', 'c'),
    ('heartbeat_task', 'token text, details jsonb DEFAULT NULL::jsonb, OUT cancel_requested boolean, OUT pause_requested boolean, OUT reset_requested boolean', 'SETOF record', 'volatile', 'c'),
    ('hold_cascade', 'cascade_id uuid, reason text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('is_suppressed', 'tenant text, channel text, address text, category text DEFAULT ''''::text', 'boolean', 'stable', 'c'),
    ('list_workflows', 'filter text DEFAULT NULL::text, page_size integer DEFAULT 100, page_token text DEFAULT NULL::text', 'TABLE(execution_id uuid, workflow_type text, version integer, workflow_id text, tenant text, status text, started_at timestamp with time zone, closed_at timestamp with time zone, search_attributes jsonb, memo jsonb, next_page text)', 'stable', 'c'),
    ('maintain', '', 'integer', 'volatile', 'c'),
    ('metrics', '', 'text', 'volatile', 'c'),
    ('missing_partitions', '', 'TABLE(parent regclass, day timestamp with time zone)', 'stable', 'sql'),
    ('move_workflows', 'type text, to_version integer, predicate text DEFAULT ''true''::text, options jsonb DEFAULT ''{}''::jsonb', 'integer', 'volatile', 'c'),
    ('note_change', '', 'trigger', 'volatile', 'c'),
    ('info', '', 'jsonb', 'volatile', 'c'),
    ('now', '', 'timestamp with time zone', 'volatile', 'c'),
    ('parse_receipts', 'connector text, payload text, headers jsonb DEFAULT ''{}''::jsonb, options jsonb DEFAULT ''{}''::jsonb', 'TABLE(ordinal integer, disposition text, correlation_id text, client_ref text, recipient text, event_id text, event_time timestamp with time zone, sequence bigint, raw_status text, raw_code text, state text, final boolean, failure_kind text, reason text, suppress text, engagement text)', 'stable', 'c'),
    ('parse_response', 'connector text, http_status integer, headers jsonb, body text', 'TABLE(ordinal integer, disposition text, correlation_id text, client_ref text, recipient text, event_id text, event_time timestamp with time zone, sequence bigint, raw_status text, raw_code text, state text, final boolean, failure_kind text, reason text, suppress text, engagement text)', 'stable', 'c'),
    ('pause_activity', 'execution_id uuid, activity_id text', 'void', 'volatile', 'c'),
    ('pause_activity_queue', 'name text', 'void', 'volatile', 'c'),
    ('pause_cascade_rule', 'name text, reason text DEFAULT NULL::text', 'boolean', 'volatile', 'c'),
    ('pause_provider', 'name text, reason text DEFAULT NULL::text', 'boolean', 'volatile', 'c'),
    ('pause_schedule', 'id text, note text DEFAULT NULL::text, tenant text DEFAULT NULL::text', 'boolean', 'volatile', 'c'),
    ('pause_tenant', 'tenant text, reason text DEFAULT NULL::text', 'boolean', 'volatile', 'c'),
    ('import_history', 'history jsonb', 'uuid', 'volatile', 'c'),
    ('poll_workflow_tasks', 'queue text, worker text DEFAULT NULL::text, max_tasks integer DEFAULT 1, lease interval DEFAULT NULL::interval, options jsonb DEFAULT ''{}''::jsonb', 'TABLE(token text, execution_id uuid, workflow_type text, version integer, workflow_id text, tenant text, attempt integer, previous_event integer, history jsonb, updates jsonb, deadline timestamp with time zone)', 'volatile', 'c'),
    ('complete_workflow_task', 'token text, commands jsonb DEFAULT ''[]''::jsonb, OUT outcome text, OUT failure jsonb', 'SETOF record', 'volatile', 'c'),
    ('fail_workflow_task', 'token text, failure jsonb', 'void', 'volatile', 'c'),
    ('poll_tasks', 'queue text, worker text DEFAULT NULL::text, max_tasks integer DEFAULT 1, lease interval DEFAULT NULL::interval', 'TABLE(token text, activity text, input jsonb, attempt integer, execution_id uuid, activity_id text, tenant text, scheduled_at timestamp with time zone, deadline timestamp with time zone, heartbeat jsonb, last_failure jsonb)', 'volatile', 'c'),
    ('pause_workflow', 'execution_id uuid, reason text DEFAULT NULL::text, request_id text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('pause_workflow_type', 'name text, reason text DEFAULT NULL::text', 'boolean', 'volatile', 'c'),
    ('provider_states', '', 'TABLE(provider_id integer, in_flight integer, breaker text, open_until timestamp with time zone, throttled_until timestamp with time zone, accepted bigint, failed bigint, throttled bigint, consecutive_failures integer, last_failure_at timestamp with time zone, last_failure text, delivered_share double precision)', 'volatile', 'c'),
    ('query_workflow', 'execution_id uuid, name text, args jsonb DEFAULT ''{}''::jsonb', 'jsonb', 'volatile', 'c'),
    ('random', '', 'double precision', 'volatile', 'c'),
    ('receive_receipts', 'provider text, payload text, headers jsonb DEFAULT ''{}''::jsonb, options jsonb DEFAULT ''{}''::jsonb', 'TABLE(ordinal integer, cascade_id uuid, attempt integer, state text, failure_kind text, result hermes.signal_result)', 'volatile', 'c'),
    ('refuse_shipped_row', '', 'trigger', 'volatile', 'plpgsql'),
    ('register_activity', 'name text, options jsonb DEFAULT ''{}''::jsonb', 'void', 'volatile', 'c'),
    ('register_workflow_program', 'name text, options jsonb', 'integer', 'volatile', 'c'),
    ('register_workflow', 'name text, function regprocedure, options jsonb DEFAULT ''{}''::jsonb', 'integer', 'volatile', 'c'),
    ('release_cascade', 'cascade_id uuid', 'hermes.signal_result', 'volatile', 'c'),
    ('replay_check', 'function regprocedure, type text, predicate text DEFAULT ''true''::text, max_executions integer DEFAULT 1000', 'TABLE(execution_id uuid, workflow_id text, status text, ok boolean, problem text, event_id bigint, command integer)', 'volatile', 'c'),
    ('replay_history', 'function regprocedure, history jsonb, timeout interval DEFAULT ''00:00:10''::interval', 'TABLE(ok boolean, problem text, event_id bigint, command integer)', 'volatile', 'c'),
    ('replay_webhook', 'cascade_id uuid, sequence integer DEFAULT NULL::integer, endpoint_id integer DEFAULT NULL::integer', 'integer', 'volatile', 'c'),
    ('replay_webhooks', 'endpoint_id integer, since timestamp with time zone, until timestamp with time zone DEFAULT now(), failed_only boolean DEFAULT false', 'bigint', 'volatile', 'c'),
    ('replays_ok', 'function regprocedure, history jsonb, description text DEFAULT NULL::text', 'SETOF text', 'volatile', 'plpgsql'),
    ('reset_activity', 'execution_id uuid, activity_id text, options jsonb DEFAULT ''{}''::jsonb', 'void', 'volatile', 'c'),
    ('reset_workflow', 'execution_id uuid, event_id bigint DEFAULT NULL::bigint, reason text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'uuid', 'volatile', 'c'),
    ('resume_activity', 'execution_id uuid, activity_id text', 'void', 'volatile', 'c'),
    ('resume_activity_queue', 'name text', 'void', 'volatile', 'c'),
    ('resume_cascade_rule', 'name text', 'boolean', 'volatile', 'c'),
    ('resume_provider', 'name text', 'boolean', 'volatile', 'c'),
    ('resume_schedule', 'id text, note text DEFAULT NULL::text, tenant text DEFAULT NULL::text', 'boolean', 'volatile', 'c'),
    ('resume_tenant', 'tenant text', 'boolean', 'volatile', 'c'),
    ('resume_workflow', 'execution_id uuid, reason text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('resume_workflow_type', 'name text', 'boolean', 'volatile', 'c'),
    ('retry_dead_letter', 'id bigint', 'void', 'volatile', 'c'),
    ('retry_parked_receipts', 'provider text, max_receipts integer DEFAULT 1000, after_id bigint DEFAULT 0', 'TABLE(ordinal integer, cascade_id uuid, attempt integer, state text, failure_kind text, result hermes.signal_result)', 'volatile', 'c'),
    ('revoke_tenant', 'role_name name, tenant text', 'void', 'volatile', 'c'),
    ('rotate_endpoint_secret', 'id integer, new_secret_name text, keep_old interval DEFAULT ''24:00:00''::interval', 'void', 'volatile', 'c'),
    ('schedule_maintenance', 'cron text DEFAULT ''*/10 * * * *''::text', 'bigint', 'volatile', 'c'),
    ('schedule_times', 'spec jsonb, since timestamp with time zone DEFAULT now(), count integer DEFAULT 10', 'SETOF timestamp with time zone', 'stable', 'c'),
    ('set_attributes', 'attributes jsonb', 'void', 'volatile', 'c'),
    ('set_memo', 'fields jsonb', 'void', 'volatile', 'c'),
    ('set_query_result', 'name text, value jsonb', 'void', 'volatile', 'c'),
    ('set_secret', 'name text, value text', 'void', 'volatile', 'c'),
    ('set_tenant_limits', 'tenant text, limits jsonb', 'void', 'volatile', 'c'),
    ('set_tenant_role', 'tenant text, role_name name', 'void', 'volatile', 'c'),
    ('ship_connector', 'definition jsonb', 'void', 'volatile', 'plpgsql'),
    ('side_effect', 'value jsonb', 'jsonb', 'volatile', 'c'),
    ('signal_cascade', 'cascade_id uuid, signal text, payload jsonb DEFAULT ''{}''::jsonb, signal_id text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('signal_cascades', 'cascade_ids uuid[], signals text[], payloads jsonb[], signal_ids text[] DEFAULT NULL::text[]', 'SETOF hermes.signal_result', 'volatile', 'c'),
    ('signal_with_start', 'type text, workflow_id text, signal text, payload jsonb DEFAULT ''{}''::jsonb, input jsonb DEFAULT ''{}''::jsonb, tenant text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'uuid', 'volatile', 'c'),
    ('signal_workflow', 'execution_id uuid, signal text, payload jsonb DEFAULT ''{}''::jsonb, request_id text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('sleep', 'duration interval', 'void', 'volatile', 'c'),
    ('start_activity', 'activity text, input jsonb DEFAULT ''{}''::jsonb, options jsonb DEFAULT ''{}''::jsonb', 'bigint', 'volatile', 'c'),
    ('start_cascade', 'rule text, message jsonb, key text DEFAULT NULL::text, tenant text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'uuid', 'volatile', 'c'),
    ('start_cascades', 'rule text, messages jsonb[], keys text[] DEFAULT NULL::text[], tenant text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'SETOF uuid', 'volatile', 'c'),
    ('start_child', 'type text, input jsonb DEFAULT ''{}''::jsonb, workflow_id text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'bigint', 'volatile', 'c'),
    ('start_timer', 'duration interval', 'bigint', 'volatile', 'c'),
    ('start_workflow', 'type text, input jsonb DEFAULT ''{}''::jsonb, workflow_id text DEFAULT NULL::text, tenant text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb', 'uuid', 'volatile', 'c'),
    ('statistics', '', 'TABLE(name text, value bigint)', 'volatile', 'c'),
    ('step', 'name text, statement text, arguments jsonb DEFAULT ''{}''::jsonb, options jsonb DEFAULT ''{}''::jsonb', 'jsonb', 'volatile', 'c'),
    ('summarize_history', 'history bytea', 'TABLE(outcome text, corrected_outcome text, step integer, attempts integer, started_at timestamp with time zone, closed_at timestamp with time zone, next_timer timestamp with time zone, reports integer)', 'immutable', 'c'),
    ('suppress', 'tenant text, channel text, address text, category text DEFAULT ''''::text, reason text DEFAULT ''manual''::text', 'boolean', 'volatile', 'c'),
    ('suppress_many', 'tenant text, channel text, addresses text[], category text DEFAULT ''''::text, reason text DEFAULT ''manual''::text', 'bigint', 'volatile', 'c'),
    ('tenant_visible', 'tenant text', 'boolean', 'stable', 'c'),
    ('terminate_cascade', 'cascade_id uuid, reason text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('terminate_workflow', 'execution_id uuid, reason text DEFAULT NULL::text', 'hermes.signal_result', 'volatile', 'c'),
    ('test_advance', 'by interval, timeout interval DEFAULT ''00:01:00''::interval', 'timestamp with time zone', 'volatile', 'c'),
    ('test_mode', 'marked boolean', 'void', 'volatile', 'c'),
    ('fake_activity', 'name text, answers jsonb', 'void', 'volatile', 'c'),
    ('drop_fake_activity', 'name text', 'void', 'volatile', 'c'),
    ('test_settle', 'timeout interval DEFAULT ''00:01:00''::interval', 'boolean', 'volatile', 'c'),
    ('time_of_id', 'id uuid', 'timestamp with time zone', 'immutable', 'c'),
    ('trigger_schedule', 'id text, overlap text DEFAULT NULL::text, tenant text DEFAULT NULL::text', 'text', 'volatile', 'c'),
    ('unsuppress', 'tenant text, channel text, address text, category text DEFAULT ''''::text', 'boolean', 'volatile', 'c'),
    ('update_activity_options', 'execution_id uuid, activity_id text, options jsonb', 'void', 'volatile', 'c'),
    ('unwatch_table', 'relation regclass', 'boolean', 'volatile', 'plpgsql'),
    ('update_result', 'execution_id uuid, update_id text, timeout interval DEFAULT ''00:00:20''::interval', 'jsonb', 'volatile', 'c'),
    ('update_with_start', 'type text, workflow_id text, update text, args jsonb DEFAULT ''{}''::jsonb, input jsonb DEFAULT ''{}''::jsonb, tenant text DEFAULT NULL::text, options jsonb DEFAULT ''{}''::jsonb, OUT execution_id uuid, OUT update_id text', 'record', 'volatile', 'c'),
    ('update_workflow', 'execution_id uuid, name text, args jsonb DEFAULT ''{}''::jsonb, update_id text DEFAULT NULL::text', 'text', 'volatile', 'c'),
    ('uuid', '', 'uuid', 'volatile', 'c'),
    ('verify_signature', 'scheme text, secret text, headers jsonb, body text, url text DEFAULT NULL::text, now timestamp with time zone DEFAULT clock_timestamp()', 'boolean', 'stable', 'c'),
    ('wait_signal', 'name text, timeout interval DEFAULT NULL::interval', 'jsonb', 'volatile', 'c'),
    ('wait_until', 'condition text, tables regclass[], args jsonb DEFAULT ''{}''::jsonb, timeout interval DEFAULT NULL::interval', 'boolean', 'volatile', 'c'),
    ('wait_update', 'name text DEFAULT NULL::text, timeout interval DEFAULT NULL::interval', 'jsonb', 'volatile', 'c'),
    ('watch_table', 'relation regclass', 'boolean', 'volatile', 'plpgsql'),
    ('worker_slots', '', 'TABLE(role text, pid integer, state text, incarnation bigint, started_at timestamp with time zone, batches bigint, tasks bigint, errors bigint, in_flight integer, database_role text)', 'volatile', 'c'),
    ('workflow_history', 'execution_id uuid', 'TABLE(event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb)', 'stable', 'c'),
    ('workflow_result', 'execution_id uuid, timeout interval DEFAULT ''00:00:20''::interval', 'jsonb', 'volatile', 'c'),
    ('workflow_status', 'execution_id uuid', 'jsonb', 'stable', 'c');

SELECT unnest(ARRAY[
    is(pg_get_function_arguments(p.oid), c.arguments, format('%s: arguments and defaults', c.name)),
    is(pg_get_function_result(p.oid), c.result, format('%s: result', c.name)),
    is(CASE p.provolatile WHEN 'v' THEN 'volatile' WHEN 's' THEN 'stable' WHEN 'i' THEN 'immutable' END, c.volatility, format('%s: volatility', c.name)),
    is(l.lanname, c.language::name, format('%s: language', c.name)),
    ok(length(coalesce(obj_description(p.oid, 'pg_proc'), '')) > 20, format('%s: has a COMMENT', c.name))])
FROM contract c
     LEFT JOIN pg_proc p ON p.proname = c.name AND p.pronamespace = 'hermes'::regnamespace
     LEFT JOIN pg_language l ON l.oid = p.prolang
ORDER BY c.name;
SELECT bag_eq('SELECT proname::text FROM pg_proc WHERE pronamespace = ''hermes''::regnamespace', 'SELECT name FROM contract',
              'schema hermes has these functions, each once, and no other');
SELECT is_empty($$ SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'hermes'::regnamespace AND p.prokind <> CASE p.proname WHEN 'execute_update' THEN 'p' ELSE 'f' END $$,
                'none is an aggregate or a window function, and only what commits is a procedure');
-- applications pass literals: no function may be strict (NULL has a meaning or is an error), but for the pure readers
SELECT bag_eq($$ SELECT proname::text FROM pg_proc WHERE pronamespace = 'hermes'::regnamespace AND proisstrict $$,
              ARRAY['channel_of_step', 'decode_execution', 'decode_history', 'first_id_at', 'summarize_history', 'time_of_id'], 'only the pure readers are strict');
-- parallel: what reads this process's cache or writes must not run in a parallel worker
SELECT bag_eq($$ SELECT proname::text FROM pg_proc WHERE pronamespace = 'hermes'::regnamespace AND proparallel = 's' $$,
              ARRAY['channel_of_step', 'decode_execution', 'decode_history', 'first_id_at', 'summarize_history', 'time_of_id', 'verify_signature'], 'only the pure readers are parallel safe');
-- errors promised by the comments of the verbs
SELECT alike(obj_description(p.oid, 'pg_proc'), '%Errors:%', format('%s: the COMMENT names its errors', proname))
FROM pg_proc p WHERE pronamespace = 'hermes'::regnamespace
  AND proname IN ('start_cascade', 'signal_cascade', 'apply_receipt', 'cancel_cascade', 'terminate_cascade', 'cascade_status', 'cascade_history',
                  'create_cascade_rule', 'create_provider', 'create_endpoint', 'rotate_endpoint_secret', 'enable_endpoint', 'replay_webhook', 'replay_webhooks', 'retry_dead_letter', 'receive_receipts', 'parse_receipts', 'parse_response',
                  'verify_signature', 'suppress', 'suppress_many', 'unsuppress', 'is_suppressed', 'register_workflow', 'register_workflow_program', 'poll_workflow_tasks', 'complete_workflow_task', 'fail_workflow_task', 'drop_workflow', 'start_workflow',
                  'signal_workflow', 'cancel_workflow', 'terminate_workflow', 'workflow_status', 'workflow_history', 'query_workflow', 'step', 'fetch', 'sleep', 'wait_signal', 'start_child', 'await', 'await_any', 'signal_with_start',
                  'explain_workflow', 'register_activity', 'drop_activity', 'fake_activity', 'drop_fake_activity', 'poll_tasks', 'complete_task', 'fail_task', 'cancel_task', 'heartbeat_task', 'complete_activity', 'fail_activity',
                  'pause_activity', 'resume_activity', 'reset_activity', 'update_activity_options', 'alter_activity_queue', 'start_activity', 'execute_activity', 'cancel',
                  'pause_workflow', 'resume_workflow', 'wait_until', 'watch_table', 'unwatch_table', 'add_compensation', 'compensate', 'pause_workflow_type', 'resume_workflow_type', 'update_workflow', 'update_with_start', 'update_result', 'execute_update', 'workflow_result', 'wait_update', 'complete_update', 'fail_update', 'create_schedule', 'alter_schedule', 'drop_schedule', 'pause_schedule', 'resume_schedule', 'trigger_schedule', 'backfill_schedule', 'schedule_times', 'maintain', 'schedule_maintenance', 'replay_check', 'replay_history', 'replays_ok', 'move_workflows', 'reset_workflow', 'export_history', 'import_history', 'create_search_attribute', 'drop_search_attribute', 'list_workflows', 'count_workflows', 'test_mode', 'test_advance', 'test_settle');

-- ---- views ----
CREATE TEMP TABLE contract_view (name, columns) AS VALUES
    ('activities', 'execution_id uuid, workflow_id text, tenant text, activity text, activity_id text, queue text, state text, priority integer, fairness_key text, attempt integer, scheduled_at timestamp with time zone, due timestamp with time zone, started_at timestamp with time zone, heartbeat_at timestamp with time zone, deadline timestamp with time zone, worker text, heartbeat jsonb, last_failure jsonb, options jsonb, input jsonb'),
    ('activity_queues', 'queue text, rate double precision, burst integer, paused_at timestamp with time zone, waiting bigint, backing_off bigint, started bigint, waiting_since timestamp with time zone'),
    ('cascades', 'cascade_id uuid, rule text, rule_version integer, tenant text, key text, status text, outcome text, corrected_outcome text, step integer, channel text, attempts integer, started_at timestamp with time zone, closed_at timestamp with time zone, next_timer timestamp with time zone, reported_at timestamp with time zone'),
    ('connector_documents', 'name text, document jsonb'),
    ('dead_letters', 'id bigint, cascade_id uuid, tenant text, kind text, target integer, attempt integer, tries integer, error text, created_at timestamp with time zone'),
    ('deliveries', 'cascade_id uuid, tenant text, endpoint_id integer, url text, event_type text, next_try timestamp with time zone, failed_tries integer, in_flight boolean, last_error text'),
    ('delivery_log', 'at timestamp with time zone, cascade_id uuid, endpoint_id integer, tenant text, event_type text, sequence integer, try integer, http_status integer, result text, duration_ms integer, error text'),
    ('delivery_stats', 'tenant text, channel text, provider text, accepted bigint, ambiguous bigint, retried bigint, timed_out bigint, delivered bigint, failed_soft bigint, failed_hard bigint, failed_policy bigint, failed_config bigint, corrected bigint, states jsonb, receipts_timed bigint, latency_p50_ms double precision, latency_p95_ms double precision, latency_p99_ms double precision'),
    ('endpoints', 'id integer, tenant text, url text, enabled boolean, disabled_at timestamp with time zone, disabled_reason text, failing_since timestamp with time zone, last_delivery_at timestamp with time zone, last_failure_at timestamp with time zone, last_error text, pending integer'),
    ('history', 'cascade_id uuid, tenant text, event_id integer, event_time timestamp with time zone, event_type text, attributes jsonb'),
    ('open_cascades', 'id uuid, rule_id integer, tenant text, key text, history bytea, message jsonb'),
    ('pauses', 'scope text, name text, since timestamp with time zone, until timestamp with time zone, reason text'),
    ('providers_status', 'provider text, channel text, kind text, in_flight integer, concurrency integer, paused_since timestamp with time zone, breaker text, open_until timestamp with time zone, rate jsonb, throttled_until timestamp with time zone, accepted bigint, failed bigint, throttled bigint, consecutive_failures integer, last_failure_at timestamp with time zone, last_failure text, delivered_share numeric, oldest_waiting timestamp with time zone'),
    ('receipt_log', 'received_at timestamp with time zone, provider text, receipts integer, headers jsonb, payload text'),
    ('receipts_parked', 'id bigint, provider text, provider_message_id text, cascade_id uuid, reason text, payload text, received_at timestamp with time zone'),
    ('schedules', 'schedule_id text, tenant text, owner text, version integer, spec jsonb, action jsonb, overlap text, catchup_window interval, pause_on_failure boolean, paused boolean, note text, remaining_actions bigint, next_time timestamp with time zone, actions bigint, missed bigint, skipped bigint, dropped bigint, errors bigint, buffered bigint, backfills bigint, running bigint, last_error text, recent jsonb, created_at timestamp with time zone, updated_at timestamp with time zone'),
    ('search_attributes', 'name text, type text, created_at timestamp with time zone'),
    ('stats', 'name text, value bigint'),
    ('suppressions', 'tenant text, channel text, address text, category text, reason text, source text, cascade_id uuid, created_at timestamp with time zone'),
    ('tenant_spend', 'tenant text, day date, estimated_cost numeric, cost_per_day numeric'),
    ('tasks', 'cascade_id uuid, task integer, kind text, due timestamp with time zone, claimed boolean, incarnation bigint, put_aside boolean, attempt integer, provider text, endpoint_id integer, claims integer, tries integer, last_error text'),
    ('timers', 'cascade_id uuid, task integer, due timestamp with time zone, tenant text'),
    ('workers', 'role text, pid integer, state text, incarnation bigint, started_at timestamp with time zone, batches bigint, tasks bigint, errors bigint, in_flight integer, database_role text'),
    ('workflow_tasks', 'execution_id uuid, workflow_type text, workflow_id text, tenant text, kind text, due timestamp with time zone, claimed boolean, tries integer, last_error text, worker text'),
    ('workflows', 'execution_id uuid, workflow_type text, version integer, workflow_id text, tenant text, status text, started_at timestamp with time zone, closed_at timestamp with time zone, search_attributes jsonb, memo jsonb');
SELECT is(array_to_string(ARRAY(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum), ', '), v.columns,
          format('view %s: columns', v.name))
FROM contract_view v LEFT JOIN pg_class c ON c.relname = v.name AND c.relnamespace = 'hermes'::regnamespace AND c.relkind = 'v'
ORDER BY v.name;
SELECT bag_eq($$ SELECT relname::text FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind IN ('v', 'm') $$,
              'SELECT name FROM contract_view', 'schema hermes has these views and no other');
SELECT bag_eq($$ SELECT relname::text FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind = 'v' AND reloptions @> ARRAY['security_barrier=true'] $$,
              ARRAY['activities', 'cascades', 'dead_letters', 'deliveries', 'delivery_log', 'delivery_stats', 'endpoints', 'history', 'pauses', 'receipt_log', 'receipts_parked', 'suppressions', 'tasks', 'tenant_spend', 'timers', 'workflow_tasks', 'workflows', 'schedules'], 'every view with rows of tenants is a security barrier');

-- ---- connectors: the tables that operators write by hand ----
CREATE TEMP TABLE contract_table (name, columns) AS VALUES
    ('connector', 'name text NOT NULL, shipped boolean NOT NULL DEFAULT false, document jsonb NOT NULL'),
    ('connector_status', 'connector text NOT NULL, answer boolean NOT NULL DEFAULT false, status text NOT NULL, qualifier text NOT NULL DEFAULT ''''::text, shipped boolean NOT NULL DEFAULT false, disposition text NOT NULL DEFAULT ''apply''::text, state text, final boolean, failure_kind text, reason text, suppress text, engagement text, by_code boolean, note text'),
    ('connector_error', 'connector text NOT NULL, code text NOT NULL, shipped boolean NOT NULL DEFAULT false, disposition text, state text, final boolean, failure_kind text, reason text, suppress text, engagement text, note text');
SELECT is(array_to_string(ARRAY(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
                                       || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
                                FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum), ', '), t.columns,
          format('table %s: columns and defaults', t.name))
FROM contract_table t LEFT JOIN pg_class c ON c.relname = t.name AND c.relnamespace = 'hermes'::regnamespace AND c.relkind = 'r'
ORDER BY t.name;
SELECT col_is_pk('hermes', 'connector', ARRAY['name', 'shipped'], 'connector: a shipped row and an operator''s row of one name');
SELECT col_is_pk('hermes', 'connector_status', ARRAY['connector', 'answer', 'status', 'qualifier', 'shipped'], 'connector_status: the same of one word');
SELECT col_is_pk('hermes', 'connector_error', ARRAY['connector', 'code', 'shipped'], 'connector_error: the same of one code');
-- what stands there is in force, whole and readable
SELECT bag_eq('SELECT name FROM hermes.connector_documents', 'SELECT DISTINCT name FROM hermes.connector', 'connector_documents: one document a connector');
SELECT is_empty('SELECT name FROM hermes.connector WHERE NOT shipped', 'an installation has shipped rows only');
SELECT is_empty($$ SELECT connector FROM hermes.connector_status UNION SELECT connector FROM hermes.connector_error EXCEPT SELECT name FROM hermes.connector $$,
                'no word and no code without its connector');
SELECT is((SELECT sum(jsonb_array_length(coalesce(document -> 'statuses', '[]'))) FROM hermes.connector_documents), (SELECT count(*) FROM hermes.connector_status WHERE NOT answer),
          'the documents hold every status');
SELECT is((SELECT sum(jsonb_array_length(coalesce(document -> 'response_statuses', '[]'))) FROM hermes.connector_documents), (SELECT count(*) FROM hermes.connector_status WHERE answer),
          'every status of an answer');
SELECT is((SELECT sum(jsonb_array_length(coalesce(document -> 'errors', '[]'))) FROM hermes.connector_documents), (SELECT count(*) FROM hermes.connector_error),
          'and every error code');
SELECT lives_ok(format($$ SELECT * FROM hermes.parse_receipts(%L, '{}') $$, name), format('connector %s can be read', name))
FROM hermes.connector_documents WHERE document ? 'receipts' ORDER BY name;
SELECT throws_ok(format($$ SELECT * FROM hermes.parse_receipts(%L, '{}') $$, name), '0A000', NULL, format('connector %s has no receipts, and says so', name))
FROM hermes.connector_documents WHERE NOT document ? 'receipts' ORDER BY name;

-- ---- type ----
SELECT enum_has_labels('hermes', 'signal_result',
    ARRAY['applied', 'duplicate', 'stale', 'corrected', 'conflict', 'buffered', 'parked', 'unmatched', 'ignored', 'closed'], 'signal_result: labels');
SELECT types_are('hermes', ARRAY['signal_result'], 'signal_result is the only type');

-- ---- comments ----
SELECT isnt(obj_description(c.oid, 'pg_class'), NULL, format('%s %s has a COMMENT', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, c.relname))
FROM pg_class c WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND c.relname !~ '_p[0-9]{8}$' ORDER BY c.relname;
SELECT isnt(obj_description(t.oid, 'pg_type'), NULL, format('type %s has a COMMENT', t.typname))
FROM pg_type t WHERE t.typnamespace = 'hermes'::regnamespace AND t.typtype = 'e';
SELECT isnt(obj_description(e.oid, 'pg_extension'), NULL, 'the extension has a COMMENT') FROM pg_extension e WHERE e.extname = 'hermes_cascade';
-- the examples in the comments name functions that exist, and those of the readers of payloads work
SELECT ok(to_regproc('hermes.' || m[1]) IS NOT NULL, format('%s: its COMMENT names hermes.%s, which exists', p.proname, m[1]))
FROM pg_proc p, regexp_matches(obj_description(p.oid, 'pg_proc'), 'SELECT (?:\* FROM )?hermes\.([a-z_]+)\(', 'g') AS m
WHERE p.pronamespace = 'hermes'::regnamespace;
SELECT isnt_empty(m[1], format('%s: the example of its COMMENT gives a row', p.proname))
FROM pg_proc p, regexp_matches(obj_description(p.oid, 'pg_proc'), 'Example: (SELECT .*);$') AS m
WHERE p.pronamespace = 'hermes'::regnamespace AND p.proname IN ('parse_receipts', 'parse_response');

SELECT * FROM finish();
ROLLBACK;
