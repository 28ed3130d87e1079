-- Signals: every bad input is a clear error that changes nothing.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.rows() AS before \gset
SELECT what, test.try(format('SELECT hermes.signal_cascade(%L, %L, %L, %L)', coalesce(id, :'id'), signal, payload, signal_id))
FROM (VALUES
    ('unknown id', '00000000-0000-0000-0000-000000000000', 'dlr', '{"status": "sent"}', NULL),
    ('id of no version 7', '11111111-2222-4333-8444-555555555555', 'dlr', '{"status": "sent"}', NULL),
    ('largest id', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'dlr', '{"status": "sent"}', NULL),
    ('malformed uuid', 'not-a-uuid', 'dlr', '{"status": "sent"}', NULL),
    ('uuid too short', '0190a', 'dlr', '{"status": "sent"}', NULL),
    ('signal NULL', NULL, NULL, '{}', NULL),
    ('signal empty', NULL, '', '{}', NULL),
    ('signal too long', NULL, repeat('s', 256), '{}', NULL),
    ('payload NULL', NULL, 'dlr', NULL, NULL),
    ('payload an array', NULL, 'dlr', '[]', NULL),
    ('payload a string', NULL, 'dlr', '"delivered"', NULL),
    ('payload null', NULL, 'dlr', 'null', NULL),
    ('no status', NULL, 'dlr', '{"attempt": 1}', NULL),
    ('status null', NULL, 'dlr', '{"status": null}', NULL),
    ('status a number', NULL, 'dlr', '{"status": 1}', NULL),
    ('status empty', NULL, 'dlr', '{"status": ""}', NULL),
    ('status too long', NULL, 'dlr', jsonb_build_object('status', repeat('s', 256))::text, NULL),
    ('attempt 0', NULL, 'dlr', '{"status": "sent", "attempt": 0}', NULL),
    ('attempt negative', NULL, 'dlr', '{"status": "sent", "attempt": -1}', NULL),
    ('attempt a string', NULL, 'dlr', '{"status": "sent", "attempt": "1"}', NULL),
    ('attempt broken', NULL, 'dlr', '{"status": "sent", "attempt": 1.5}', NULL),
    ('attempt huge', NULL, 'dlr', '{"status": "sent", "attempt": 99999999999999999999}', NULL),
    ('provider id an object', NULL, 'dlr', '{"status": "sent", "provider_message_id": {}}', NULL),
    ('provider id too long', NULL, 'dlr', jsonb_build_object('status', 'sent', 'provider_message_id', repeat('i', 256))::text, NULL),
    ('error code an array', NULL, 'dlr', '{"status": "failed", "error_code": [1]}', NULL),
    ('failure kind', NULL, 'dlr', '{"status": "failed", "failure_kind": "medium"}', NULL),
    ('failure kind none', NULL, 'dlr', '{"status": "failed", "failure_kind": "none"}', NULL),
    ('time without zone', NULL, 'dlr', '{"status": "sent", "timestamp": "2026-01-01T00:00:00"}', NULL),
    ('no such day', NULL, 'dlr', '{"status": "sent", "timestamp": "2026-02-30T00:00:00Z"}', NULL),
    ('time a number', NULL, 'dlr', '{"status": "sent", "timestamp": 1767225600}', NULL),
    ('sequence negative', NULL, 'dlr', '{"status": "sent", "sequence": -1}', NULL),
    ('NUL escape', NULL, 'dlr', '{"status": "sent\u0000"}', NULL),
    ('nested deeply', NULL, 'dlr', '{"status": ' || repeat('[', 100) || repeat(']', 100) || '}', NULL),
    ('too large for a report', NULL, 'dlr', jsonb_build_object('status', 'sent', 'raw', repeat('x', 70000))::text, NULL),
    ('too large', NULL, 'other', jsonb_build_object('raw', repeat('x', 300000))::text, NULL),
    ('signal id empty', NULL, 'dlr', '{"status": "sent"}', ''),
    ('signal id too long', NULL, 'dlr', '{"status": "sent"}', repeat('i', 256))
) AS v (what, id, signal, payload, signal_id);
SELECT test.try('SELECT hermes.signal_cascade(NULL, ''dlr'', ''{"status": "sent"}'')');
SELECT test.rows() = :'before' AS nothing_changed, test.state(:'id');
SELECT count(*) FROM hermes.cascade_history(:'id');
-- members that are none of ours are no error, and null is absent: raw reports can be passed on
SELECT hermes.signal_cascade(:'id', 'dlr', '{"status": "sent", "carrier": "x", "attempt": null, "error_code": 0, "price": {"amount": "0.01"}}');
-- times at the ends of what can be written
SELECT hermes.signal_cascade(:'id', 'dlr', '{"status": "deferred", "attempt": 1, "timestamp": "0001-01-01T00:00:00Z"}'),
       hermes.signal_cascade(:'id', 'dlr', '{"status": "deferred", "attempt": 1, "timestamp": "9999-12-31T23:59:59.999999Z", "sequence": 9223372036854775807}');
SELECT attributes ->> 'provider_time' FROM hermes.cascade_history(:'id') WHERE event_type = 'ReceiptRecorded' ORDER BY event_id;
