-- Privileges: nothing to PUBLIC; verbs to the group roles that need them.

REVOKE ALL ON ALL TABLES IN SCHEMA hermes FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hermes FROM PUBLIC;
REVOKE ALL ON TYPE hermes.signal_result FROM PUBLIC;

GRANT USAGE ON SCHEMA hermes TO hermes_admin, hermes_app, hermes_worker, hermes_monitor;
GRANT USAGE ON TYPE hermes.signal_result TO hermes_admin, hermes_app, hermes_monitor;

GRANT EXECUTE ON FUNCTION
    hermes.start_cascade(text, jsonb, text, text, jsonb), hermes.start_cascades(text, jsonb[], text[], text, jsonb),
    hermes.signal_cascade(uuid, text, jsonb, text), hermes.signal_cascades(uuid[], text[], jsonb[], text[]),
    hermes.apply_receipt(text, text, jsonb), hermes.cancel_cascade(uuid, text),
    hermes.receive_receipts(text, text, jsonb, jsonb), hermes.hold_cascade(uuid, text), hermes.release_cascade(uuid),
    hermes.suppress(text, text, text, text, text), hermes.suppress_many(text, text, text[], text, text),
    hermes.unsuppress(text, text, text, text),
    hermes.start_workflow(text, jsonb, text, text, jsonb), hermes.signal_workflow(uuid, text, jsonb, text),
    hermes.cancel_workflow(uuid, text), 
    hermes.wait_until(text, regclass[], jsonb, interval),
    hermes.add_compensation(text, text, jsonb), hermes.compensate(jsonb),
    hermes.watch_table(regclass), hermes.unwatch_table(regclass), hermes.note_change(),
    hermes.pause_workflow(uuid, text, text), hermes.resume_workflow(uuid, text),
    hermes.step(text, text, jsonb, jsonb), hermes.fetch(text, jsonb), hermes.side_effect(jsonb), hermes.sleep(interval),
    hermes.wait_signal(text, interval), hermes.now(), hermes.info(), hermes.random(), hermes.uuid(),
    hermes.get_version(text, integer, integer), hermes.set_query_result(text, jsonb),
    hermes.start_timer(interval), hermes.start_child(text, jsonb, text, jsonb), hermes.execute_child(text, jsonb, text, jsonb),
    hermes.start_activity(text, jsonb, jsonb), hermes.execute_activity(text, jsonb, jsonb), hermes.cancel(bigint),
    hermes.poll_tasks(text, text, integer, interval), hermes.complete_task(text, jsonb), hermes.fail_task(text, jsonb),
    hermes.cancel_task(text, jsonb), hermes.heartbeat_task(text, jsonb),
    hermes.complete_activity(uuid, text, jsonb), hermes.fail_activity(uuid, text, jsonb),
    hermes.await(bigint), hermes.await_all(bigint[]), hermes.await_any(bigint[]), hermes.continue_as_new(jsonb),
    hermes.signal_with_start(text, text, text, jsonb, jsonb, text, jsonb),
    hermes.query_workflow(uuid, text, jsonb), hermes.update_workflow(uuid, text, jsonb, text), hermes.update_with_start(text, text, text, jsonb, jsonb, text, jsonb), hermes.update_result(uuid, text, interval), hermes.workflow_result(uuid, interval), hermes.wait_update(text, interval), hermes.complete_update(text, jsonb), hermes.fail_update(text, text, text, text, text),
    hermes.create_schedule(text, jsonb, jsonb, jsonb, text), hermes.alter_schedule(text, jsonb, jsonb, jsonb, text, integer), hermes.drop_schedule(text, text), hermes.pause_schedule(text, text, text), hermes.resume_schedule(text, text, text), hermes.trigger_schedule(text, text, text), hermes.backfill_schedule(text, timestamptz, timestamptz, text, text),
    hermes.replay_check(regprocedure, text, text, integer), hermes.replay_history(regprocedure, jsonb, interval), hermes.replays_ok(regprocedure, jsonb, text),
    hermes.set_attributes(jsonb), hermes.set_memo(jsonb),
    hermes.poll_workflow_tasks(text, text, integer, interval, jsonb), hermes.complete_workflow_task(text, jsonb), hermes.fail_workflow_task(text, jsonb)
TO hermes_admin, hermes_app;

GRANT EXECUTE ON FUNCTION
    hermes.cascade_status(uuid), hermes.cascade_history(uuid), hermes.dry_run(text, jsonb, jsonb), hermes.dry_run_rule(jsonb, jsonb, jsonb),
    hermes.channel_of_step(jsonb, integer), hermes.tenant_visible(text), hermes.decode_history(bytea),
    hermes.summarize_history(bytea), hermes.worker_slots(), hermes.statistics(), hermes.first_id_at(timestamptz),
    hermes.time_of_id(uuid), hermes.parse_receipts(text, text, jsonb, jsonb), hermes.parse_response(text, integer, jsonb, text),
    hermes.provider_states(), hermes.verify_signature(text, text, jsonb, text, text, timestamptz),
    hermes.is_suppressed(text, text, text, text), hermes.workflow_status(uuid), hermes.workflow_history(uuid),
    hermes.decode_execution(bytea),
    hermes.schedule_times(jsonb, timestamptz, integer),
    hermes.export_history(uuid), hermes.explain_workflow(uuid),
    hermes.list_workflows(text, integer, text), hermes.count_workflows(text, text)
TO hermes_admin, hermes_app, hermes_monitor;

GRANT EXECUTE ON FUNCTION hermes.delivery_series() TO hermes_admin, hermes_app, hermes_monitor;
GRANT EXECUTE ON FUNCTION hermes.metrics() TO hermes_admin, hermes_monitor;

GRANT EXECUTE ON FUNCTION
    hermes.create_cascade_rule(text, jsonb), hermes.alter_cascade_rule(text, jsonb), hermes.drop_cascade_rule(text),
    hermes.create_provider(text, jsonb), hermes.alter_provider(text, jsonb), hermes.drop_provider(text),
    hermes.create_endpoint(text, text, jsonb), hermes.alter_endpoint(integer, text, jsonb), hermes.drop_endpoint(integer),
    hermes.set_secret(text, text), hermes.drop_secret(text), hermes.grant_tenant(name, text), hermes.revoke_tenant(name, text),
    hermes.terminate_cascade(uuid, text), hermes.retry_dead_letter(bigint), hermes.confirm_restore(),
    hermes.retry_parked_receipts(text, integer, bigint), hermes.set_tenant_limits(text, jsonb), hermes.set_tenant_role(text, name), hermes.generate_webhook_secret(),
    hermes.rotate_endpoint_secret(integer, text, interval), hermes.enable_endpoint(integer),
    hermes.pause_provider(text, text), hermes.resume_provider(text), hermes.pause_tenant(text, text), hermes.resume_tenant(text),
    hermes.pause_cascade_rule(text, text), hermes.resume_cascade_rule(text),
    hermes.replay_webhook(uuid, integer, integer), hermes.replay_webhooks(integer, timestamptz, timestamptz, boolean),
    hermes.register_workflow(text, regprocedure, jsonb), hermes.drop_workflow(text, integer), hermes.terminate_workflow(uuid, text),
    hermes.pause_workflow_type(text, text), hermes.resume_workflow_type(text),
    hermes.register_activity(text, jsonb), hermes.drop_activity(text),
    hermes.alter_activity_queue(text, jsonb), hermes.pause_activity_queue(text), hermes.resume_activity_queue(text),
    hermes.pause_activity(uuid, text), hermes.resume_activity(uuid, text), hermes.reset_activity(uuid, text, jsonb),
    hermes.update_activity_options(uuid, text, jsonb),
    hermes.maintain(), hermes.schedule_maintenance(text),
    hermes.move_workflows(text, integer, text, jsonb), hermes.reset_workflow(uuid, bigint, text, jsonb),
    hermes.create_search_attribute(text, text), hermes.drop_search_attribute(text), hermes.test_advance(interval, interval), hermes.test_settle(interval), hermes.fake_activity(text, jsonb), hermes.drop_fake_activity(text),
    hermes.register_workflow_program(text, jsonb), hermes.import_history(jsonb)
TO hermes_admin;

REVOKE ALL ON PROCEDURE hermes.execute_update(uuid, text, jsonb, text, interval, jsonb) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE hermes.execute_update(uuid, text, jsonb, text, interval, jsonb) TO hermes_admin, hermes_app;

GRANT SELECT ON
    hermes.cascades, hermes.history, hermes.tasks, hermes.timers, hermes.deliveries, hermes.dead_letters, hermes.workers,
    hermes.stats, hermes.receipts_parked, hermes.providers_status, hermes.endpoints, hermes.delivery_log, hermes.pauses,
    hermes.delivery_stats, hermes.receipt_log,
    hermes.suppressions, hermes.tenant_spend, hermes.workflows, hermes.workflow_tasks, hermes.activities, hermes.activity_queues, hermes.schedules, hermes.search_attributes
TO hermes_admin, hermes_app, hermes_monitor;

-- Operators extend connectors by rows of their own; shipped rows are not theirs to change.
GRANT SELECT ON hermes.connector, hermes.connector_status, hermes.connector_error, hermes.connector_documents TO hermes_admin, hermes_app, hermes_monitor;
GRANT DELETE ON hermes.connector, hermes.connector_status, hermes.connector_error TO hermes_admin;
GRANT INSERT (name, document), UPDATE (name, document) ON hermes.connector TO hermes_admin;
GRANT INSERT (connector, answer, status, qualifier, disposition, state, final, failure_kind, reason, suppress, engagement, by_code, note),
      UPDATE (connector, answer, status, qualifier, disposition, state, final, failure_kind, reason, suppress, engagement, by_code, note)
ON hermes.connector_status TO hermes_admin;
GRANT INSERT (connector, code, disposition, state, final, failure_kind, reason, suppress, engagement, note),
      UPDATE (connector, code, disposition, state, final, failure_kind, reason, suppress, engagement, note)
ON hermes.connector_error TO hermes_admin;
