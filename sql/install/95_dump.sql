-- What pg_dump saves: all state. Day partitions are not members of the extension and are dumped as ordinary tables.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['rule_version', 'provider', 'endpoint', 'secret', 'tenant_access', 'tenant_limit', 'executor_role', 'tenant_role', 'pause', 'workflow', 'timer', 'task',
        'closed_default', 'execution_key', 'attempt_default', 'receipt_inbox', 'dead_letter', 'delivery_default', 'receipt_default', 'fence', 'suppression', 'recipient_contact', 'spend',
        'workflow_type', 'execution', 'execution_chunk', 'condition_waiter', 'execution_closed_default', 'execution_current', 'program_queue', 'program_queue_id_seq', 'program_task', 'execution_attributes', 'search_attribute', 'test_clock', 'fake_activity', 'schedule', 'schedule_backfill', 'schedule_run', 'schedule_start', 'execution_update', 'activity', 'activity_type', 'activity_queue', 'activity_queue_id_seq', 'workflow_type_id_seq', 'execution_task_number',
        'rule_version_id_seq', 'provider_id_seq', 'endpoint_id_seq', 'pause_id_seq', 'receipt_inbox_id_seq', 'dead_letter_id_seq', 'executor_role_id_seq', 'suppression_id_seq'] LOOP
        PERFORM pg_catalog.pg_extension_config_dump(('hermes.' || name)::pg_catalog.regclass, '');
    END LOOP;
    FOREACH name IN ARRAY ARRAY['connector', 'connector_status', 'connector_error'] LOOP
        PERFORM pg_catalog.pg_extension_config_dump(('hermes.' || name)::pg_catalog.regclass, 'WHERE NOT shipped');
    END LOOP;
END
$$;
