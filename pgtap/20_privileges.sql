-- Who may do what: nothing to PUBLIC, each group role exactly its verbs and views, no table to anybody but the owner, save that
-- operators (hermes_admin) write connector rows of their own, never the mark of a shipped one.
-- Needs: database with the extension and pgTAP, a superuser. Rolls back what it makes (roles, a partition).
BEGIN;
SET LOCAL search_path = public, pg_catalog;
SELECT no_plan();

CREATE ROLE pgtap_hermes_nobody;
SELECT hermes.create_day_partition('hermes.closed', '2035-01-01 00:00+00') AS made \gset
SELECT hermes.create_day_partition('hermes.attempt', '2035-01-01 00:00+00') AS made \gset

CREATE TEMP VIEW granted AS
SELECT 'schema' AS kind, n.nspname::text AS object, a.grantee, a.privilege_type, a.is_grantable, n.nspowner AS owner
FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE n.nspname = 'hermes'
UNION ALL
SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END, c.relname, a.grantee, a.privilege_type, a.is_grantable, c.relowner
FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a
WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
UNION ALL
SELECT 'column', c.relname || '.' || t.attname, a.grantee, a.privilege_type, a.is_grantable, c.relowner
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a WHERE c.relnamespace = 'hermes'::regnamespace
UNION ALL
SELECT 'function', p.proname, a.grantee, a.privilege_type, a.is_grantable, p.proowner
FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE p.pronamespace = 'hermes'::regnamespace
UNION ALL
SELECT 'type', t.typname, a.grantee, a.privilege_type, a.is_grantable, t.typowner
FROM pg_type t, aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) a WHERE t.typnamespace = 'hermes'::regnamespace AND t.typtype = 'e';

SELECT cmp_ok((SELECT count(*) FROM granted), '>', 100::bigint, 'privileges were read');
SELECT is_empty('SELECT kind, object, privilege_type FROM granted WHERE grantee = 0', 'PUBLIC has nothing');
SELECT is_empty('SELECT kind, object FROM granted WHERE grantee <> owner AND is_grantable', 'nobody may hand on a privilege');
SELECT is_empty($$ SELECT kind, object, grantee::regrole FROM granted WHERE grantee <> owner
                   AND grantee NOT IN ('hermes_admin'::regrole, 'hermes_app'::regrole, 'hermes_worker'::regrole, 'hermes_monitor'::regrole) $$,
                'no role has anything but the owner and the four group roles');
SELECT is_empty($$ SELECT kind, object, grantee::regrole FROM granted WHERE grantee <> owner AND kind IN ('table', 'sequence', 'column')
                   AND object !~ '^connector(_status|_error)?($|\.)' $$,
                'no table, partition, sequence or column but those of connectors is granted to anybody');
SELECT bag_eq($$ SELECT object::text, grantee::regrole::text, privilege_type FROM granted WHERE grantee <> owner AND kind IN ('table', 'sequence') $$,
              $$ SELECT t, r, 'SELECT' FROM unnest(ARRAY['connector', 'connector_status', 'connector_error']) AS t, unnest(ARRAY['hermes_admin', 'hermes_app', 'hermes_monitor']) AS r
                 UNION ALL SELECT t, 'hermes_admin', 'DELETE' FROM unnest(ARRAY['connector', 'connector_status', 'connector_error']) AS t $$,
              'the connector tables are read by all but workers; hermes_admin may delete rows');
SELECT bag_eq($$ SELECT object::text, grantee::regrole::text, privilege_type FROM granted WHERE grantee <> owner AND kind = 'column' $$,
              $$ SELECT c.relname || '.' || a.attname AS object, 'hermes_admin' AS role, p FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, unnest(ARRAY['INSERT', 'UPDATE']) AS p
                 WHERE c.relnamespace = 'hermes'::regnamespace AND c.relname IN ('connector', 'connector_status', 'connector_error') AND a.attnum > 0
                   AND NOT a.attisdropped AND a.attname <> 'shipped' $$,
              'and write every column but shipped');
SELECT is_empty($$ SELECT object, grantee::regrole, privilege_type FROM granted WHERE grantee <> owner AND kind = 'view' AND privilege_type <> 'SELECT' $$,
                'views are for reading');
SELECT bag_eq($$ SELECT grantee::regrole::text, privilege_type FROM granted WHERE kind = 'schema' AND grantee <> owner $$,
              $$ VALUES ('hermes_admin', 'USAGE'), ('hermes_app', 'USAGE'), ('hermes_worker', 'USAGE'), ('hermes_monitor', 'USAGE') $$,
              'the group roles may use the schema, none may create in it');
SELECT bag_eq($$ SELECT grantee::regrole::text FROM granted WHERE kind = 'type' AND grantee <> owner $$,
              $$ VALUES ('hermes_admin'), ('hermes_app'), ('hermes_monitor') $$, 'signal_result: who may use it');

CREATE TEMP TABLE expected (role, functions) AS VALUES
    ('hermes_worker', '{}'::text[]),
    ('hermes_monitor', '{cascade_status,cascade_history,dry_run,dry_run_rule,channel_of_step,tenant_visible,decode_history,summarize_history,worker_slots,statistics,first_id_at,time_of_id,
                        parse_receipts,parse_response,provider_states,verify_signature,is_suppressed,delivery_series,metrics,
                        workflow_status,workflow_history,decode_execution,
                       schedule_times,
                       export_history,explain_workflow,
                       list_workflows,count_workflows}'),
    ('hermes_app', '{cascade_status,cascade_history,dry_run,dry_run_rule,channel_of_step,hold_cascade,release_cascade,tenant_visible,decode_history,summarize_history,worker_slots,statistics,first_id_at,time_of_id,
                     parse_receipts,parse_response,provider_states,verify_signature,is_suppressed,delivery_series,
                     start_cascade,start_cascades,signal_cascade,signal_cascades,apply_receipt,receive_receipts,cancel_cascade,suppress,suppress_many,unsuppress,
                     workflow_status,workflow_history,decode_execution,start_workflow,signal_workflow,cancel_workflow,query_workflow,step,fetch,side_effect,sleep,wait_signal,now,info,random,uuid,get_version,set_query_result,start_timer,start_child,execute_child,await,await_all,await_any,continue_as_new,signal_with_start,
                     pause_workflow,resume_workflow,wait_until,watch_table,unwatch_table,note_change,add_compensation,compensate,poll_tasks,complete_task,fail_task,cancel_task,heartbeat_task,complete_activity,fail_activity,start_activity,execute_activity,cancel,
                       update_workflow,update_with_start,update_result,execute_update,workflow_result,wait_update,complete_update,fail_update,
                       schedule_times,create_schedule,alter_schedule,drop_schedule,pause_schedule,resume_schedule,trigger_schedule,backfill_schedule,
                       export_history,explain_workflow,replay_check,replay_history,replays_ok,
                       list_workflows,count_workflows,set_attributes,set_memo,
                       poll_workflow_tasks,complete_workflow_task,fail_workflow_task}'),
    ('hermes_admin', '{cascade_status,cascade_history,dry_run,dry_run_rule,channel_of_step,hold_cascade,release_cascade,
                       pause_provider,resume_provider,pause_tenant,resume_tenant,pause_cascade_rule,resume_cascade_rule,tenant_visible,decode_history,summarize_history,worker_slots,statistics,first_id_at,time_of_id,
                       parse_receipts,parse_response,provider_states,verify_signature,is_suppressed,delivery_series,metrics,
                       start_cascade,start_cascades,signal_cascade,signal_cascades,apply_receipt,receive_receipts,cancel_cascade,suppress,suppress_many,unsuppress,
                       workflow_status,workflow_history,decode_execution,start_workflow,signal_workflow,cancel_workflow,query_workflow,step,fetch,side_effect,sleep,wait_signal,now,info,random,uuid,get_version,set_query_result,start_timer,start_child,execute_child,await,await_all,await_any,continue_as_new,signal_with_start,
                       pause_workflow,resume_workflow,wait_until,watch_table,unwatch_table,note_change,add_compensation,compensate,poll_tasks,complete_task,fail_task,cancel_task,heartbeat_task,complete_activity,fail_activity,start_activity,execute_activity,cancel,
                       register_activity,drop_activity,alter_activity_queue,pause_activity_queue,resume_activity_queue,pause_activity,resume_activity,reset_activity,update_activity_options,
                       register_workflow,drop_workflow,terminate_workflow,pause_workflow_type,resume_workflow_type,
                       create_cascade_rule,alter_cascade_rule,drop_cascade_rule,create_provider,alter_provider,drop_provider,
                       create_endpoint,alter_endpoint,drop_endpoint,set_secret,drop_secret,grant_tenant,revoke_tenant,
                       terminate_cascade,retry_dead_letter,confirm_restore,retry_parked_receipts,set_tenant_limits,set_tenant_role,
                       generate_webhook_secret,rotate_endpoint_secret,enable_endpoint,replay_webhook,replay_webhooks,
                       update_workflow,update_with_start,update_result,execute_update,workflow_result,wait_update,complete_update,fail_update,
                       schedule_times,create_schedule,alter_schedule,drop_schedule,pause_schedule,resume_schedule,trigger_schedule,backfill_schedule,maintain,schedule_maintenance,
                       export_history,explain_workflow,replay_check,replay_history,replays_ok,move_workflows,reset_workflow,
                       list_workflows,count_workflows,set_attributes,set_memo,create_search_attribute,drop_search_attribute,test_advance,test_settle,fake_activity,drop_fake_activity,
                       poll_workflow_tasks,complete_workflow_task,fail_workflow_task,register_workflow_program,import_history}');
SELECT is(ARRAY(SELECT object::text FROM granted WHERE kind = 'function' AND grantee = role::regrole AND grantee <> owner ORDER BY object COLLATE "C"),
          ARRAY(SELECT f FROM unnest(functions) AS f ORDER BY f COLLATE "C"), role || ' may execute exactly its functions')
FROM expected;
SELECT is(ARRAY(SELECT object::text FROM granted WHERE kind = 'view' AND grantee = role::regrole AND grantee <> owner ORDER BY object COLLATE "C"),
          CASE role WHEN 'hermes_worker' THEN '{}' ELSE '{activities,activity_queues,cascades,connector_documents,dead_letters,deliveries,delivery_log,delivery_stats,endpoints,history,pauses,providers_status,receipt_log,receipts_parked,schedules,search_attributes,stats,suppressions,tasks,tenant_spend,timers,workers,workflow_tasks,workflows}'::text[] END,
          role || ' may read exactly its views')
FROM expected;

-- what the lists above mean for a role without anything
SELECT ok(NOT has_schema_privilege('pgtap_hermes_nobody', 'hermes', 'USAGE'), 'nobody may not use the schema');
SELECT is_empty($$ SELECT proname FROM pg_proc WHERE pronamespace = 'hermes'::regnamespace AND has_function_privilege('pgtap_hermes_nobody', oid, 'EXECUTE') $$,
                'nobody may execute no function');
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind IN ('r', 'p', 'v')
                   AND (has_table_privilege('pgtap_hermes_nobody', oid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')
                        OR has_any_column_privilege('pgtap_hermes_nobody', oid, 'SELECT,INSERT,UPDATE,REFERENCES')) $$, 'nobody may touch no relation');

-- ---- functions that run with other rights ----
SELECT is_empty($$ SELECT proname FROM pg_proc WHERE pronamespace = 'hermes'::regnamespace AND prosecdef
                   AND NOT coalesce(array_to_string(proconfig, ' ') ~ 'search_path=pg_catalog, pg_temp', false) $$, 'no SECURITY DEFINER without a pinned search_path');
SELECT is_empty($$ SELECT proname FROM pg_proc WHERE pronamespace = 'hermes'::regnamespace AND prosecdef $$, 'in fact none is SECURITY DEFINER');
SELECT is_empty($$ SELECT proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE pronamespace = 'hermes'::regnamespace
                   AND l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) $$,
                'every function whose body is text pins its search_path');
SELECT bag_eq($$ SELECT c.relname::text, tgname::text, tgfoid::regproc::text, tgtype::integer, tgenabled::text, pg_get_expr(tgqual, tgrelid)
                 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'hermes'::regnamespace AND NOT tgisinternal $$,
              $$ SELECT t AS relation, 'changed' AS name, 'hermes.connectors_changed' AS function, 4 + 8 + 16 + 32 AS type, 'O' AS enabled, NULL AS qualification FROM unnest(ARRAY['connector', 'connector_status', 'connector_error']) AS t
                 UNION ALL SELECT t, 'shipped', 'hermes.refuse_shipped_row', 1 + 2 + 8 + 16, 'O', 'shipped' FROM unnest(ARRAY['connector', 'connector_status', 'connector_error']) AS t $$,
              'no table has a trigger but those of connectors: every change is noticed, shipped rows stay');
SELECT is_empty($$ SELECT grantee::regrole FROM granted WHERE kind = 'function' AND object IN ('connectors_changed', 'refuse_shipped_row', 'ship_connector') AND grantee <> owner $$,
                'trigger functions and ship_connector are nobody''s to call');
-- the same by trying, as the operator
CREATE ROLE pgtap_hermes_operator IN ROLE hermes_admin;
CREATE ROLE pgtap_hermes_reader IN ROLE hermes_app;
GRANT USAGE ON SCHEMA public TO pgtap_hermes_operator, pgtap_hermes_reader;
GRANT ALL ON ALL TABLES IN SCHEMA pg_temp TO pgtap_hermes_operator, pgtap_hermes_reader;
GRANT ALL ON ALL SEQUENCES IN SCHEMA pg_temp TO pgtap_hermes_operator, pgtap_hermes_reader;
SET ROLE pgtap_hermes_operator;
SELECT lives_ok($$ INSERT INTO hermes.connector_status (connector, status, state) VALUES ('twilio', 'pgtap', 'delivered') $$, 'an operator teaches a word');
SELECT lives_ok($$ UPDATE hermes.connector_status SET state = 'read' WHERE status = 'pgtap' $$, 'and changes it');
SELECT is((SELECT state FROM hermes.parse_receipts('twilio', 'MessageSid=SM1&MessageStatus=pgtap')), 'read', 'it is in force at once');
SELECT lives_ok($$ DELETE FROM hermes.connector_status WHERE status = 'pgtap' $$, 'and takes it back');
SELECT is((SELECT disposition FROM hermes.parse_receipts('twilio', 'MessageSid=SM1&MessageStatus=pgtap')), 'park', 'then it is not understood again');
SELECT throws_ok($$ INSERT INTO hermes.connector_status (connector, status, state, shipped) VALUES ('twilio', 'pgtap', 'delivered', true) $$, '42501', NULL, 'no row of an operator says that it was shipped');
SELECT throws_ok($$ UPDATE hermes.connector SET shipped = true $$, '42501', NULL, 'nor comes to say so');
SELECT throws_ok($$ UPDATE hermes.connector_error SET failure_kind = 'soft' WHERE connector = 'twilio' AND code = '30005' $$, '55000', NULL, 'a shipped row cannot be changed');
SELECT throws_ok($$ DELETE FROM hermes.connector WHERE name = 'twilio' $$, '55000', NULL, 'or deleted');
SELECT throws_ok($$ TRUNCATE hermes.connector_status $$, '42501', NULL, 'or truncated');
SELECT throws_ok($$ SELECT hermes.ship_connector('{"name": "twilio", "receipts": {"payload": ["json"], "fields": {}}}') $$, '42501', NULL, 'or shipped anew');
RESET ROLE;
SET ROLE pgtap_hermes_reader;
SELECT isnt_empty($$ SELECT FROM hermes.connector_documents $$, 'an application reads connectors');
SELECT throws_ok($$ INSERT INTO hermes.connector_status (connector, status, state) VALUES ('twilio', 'pgtap', 'delivered') $$, '42501', NULL, 'and writes none');
SELECT throws_ok($$ SELECT * FROM hermes.retry_parked_receipts('x') $$, '42501', NULL, 'parked receipts are the operator''s');
RESET ROLE;

-- ---- owners ----
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relowner <> (SELECT extowner FROM pg_extension WHERE extname = 'hermes_cascade')
                   UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'hermes'::regnamespace AND proowner <> (SELECT extowner FROM pg_extension WHERE extname = 'hermes_cascade')
                   UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'hermes'::regnamespace AND typowner <> (SELECT extowner FROM pg_extension WHERE extname = 'hermes_cascade')
                   UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'hermes' AND nspowner <> (SELECT extowner FROM pg_extension WHERE extname = 'hermes_cascade') $$,
                'everything belongs to the owner of the extension');
SELECT is_empty($$ SELECT rolname FROM pg_roles WHERE rolname ~ '^hermes_' AND rolname IN ('hermes_admin', 'hermes_app', 'hermes_worker', 'hermes_monitor')
                   AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) $$, 'the group roles have no attributes and cannot log in');
SELECT is((SELECT count(*) FROM pg_roles WHERE rolname IN ('hermes_admin', 'hermes_app', 'hermes_worker', 'hermes_monitor')), 4::bigint, 'all four exist');
SELECT is_empty($$ SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE member IN ('hermes_admin'::regrole, 'hermes_app'::regrole, 'hermes_worker'::regrole, 'hermes_monitor'::regrole) $$,
                'and are members of nothing');

SELECT * FROM finish();
ROLLBACK;
