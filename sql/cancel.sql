-- cancel_cascade and terminate_cascade.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
-- before a dispatcher took it; the send was due, so it counts as one that may have left
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.cancel_cascade(:'id', 'customer withdrew');
SELECT test.state(:'id');
SELECT test.history(:'id');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'id';
SELECT s -> 'contacted' AS contacted, s -> 'terminated' AS terminated, s -> 'next_timer' AS next_timer FROM hermes.cascade_status(:'id') AS s;
-- again, and by the other verb: it has ended; nothing is recorded
SELECT hermes.cancel_cascade(:'id'), hermes.terminate_cascade(:'id', 'x');
SELECT count(*) FROM hermes.cascade_history(:'id');
-- after the provider took it: flagged
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'sent', 1);
SELECT hermes.cancel_cascade(:'id');
SELECT test.history(:'id');
SELECT s -> 'contacted' AS contacted, s -> 'outcome' AS outcome FROM hermes.cascade_status(:'id') AS s;
-- a delivery that comes after it corrects the outcome; both are kept
SELECT test.dlr(:'id', 'delivered', 1);
SELECT test.state(:'id');
-- terminate
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'undeliverable', 1);
SELECT hermes.terminate_cascade(:'id', repeat('why ', 75));
SELECT test.state(:'id');
SELECT event_type, length(attributes ->> 'reason') FROM hermes.cascade_history(:'id') WHERE event_type = 'Terminated';
SELECT s -> 'terminated' AS terminated FROM hermes.cascade_status(:'id') AS s;
-- reason NULL and with odd characters
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.terminate_cascade(:'id', NULL);
SELECT attributes FROM hermes.cascade_history(:'id') WHERE event_type = 'Terminated';
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.cancel_cascade(:'id', E'"quoted" \\ \n\u00e9');
SELECT attributes FROM hermes.cascade_history(:'id') WHERE event_type = 'CancelRequested';
-- a timer goes with its cascade
SELECT hermes.create_cascade_rule('timed', '{"steps": [{"channel": "email", "dispatch_timeout": "1h"}], "validity": "2h"}');
SELECT hermes.start_cascade('timed', '{}') AS id \gset
SELECT kind FROM hermes.tasks WHERE cascade_id = :'id' ORDER BY kind;
SELECT count(*) FROM hermes.timers WHERE cascade_id = :'id';
SELECT hermes.cancel_cascade(:'id');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'id';
-- the outcome is reported once, to each endpoint that wants it
SELECT hermes.create_endpoint('acme', 'https://all.example/'), hermes.create_endpoint('acme', 'https://failed.example/', '{"events": ["message.failed"]}'),
       hermes.create_endpoint('acme', 'https://canceled.example/', '{"events": ["message.canceled", "message.status_corrected"]}'), hermes.create_endpoint('beta', 'https://beta.example/');
SELECT hermes.start_cascade('three', '{}', 'reported', 'acme') AS id \gset
SELECT test.dlr(:'id', 'sent', 1), hermes.cancel_cascade(:'id'), hermes.cancel_cascade(:'id');
SELECT endpoint_id, url, event_type, failed_tries, in_flight, last_error FROM hermes.deliveries WHERE cascade_id = :'id' ORDER BY endpoint_id;
SELECT s -> 'report' AS report FROM hermes.cascade_status(:'id') AS s;
SELECT test.dlr(:'id', 'delivered', 1);
SELECT endpoint_id, event_type FROM hermes.deliveries WHERE cascade_id = :'id' ORDER BY endpoint_id, event_type;
SELECT test.mask(detail) FROM hermes.task WHERE workflow_id = :'id' ORDER BY target, number;
-- to as many endpoints as a tenant may have, over several corrections
SELECT count(hermes.create_endpoint('many', 'https://a.example/' || n)) FROM generate_series(1, 64) AS n;
SELECT hermes.start_cascade('three', '{}', NULL, 'many') AS id \gset
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'failed', 1), test.dlr(:'id', 'read', 1);
SELECT event_type, count(*), count(DISTINCT endpoint_id) FROM hermes.deliveries WHERE cascade_id = :'id' GROUP BY 1 ORDER BY 1;
-- unknown, NULL
SELECT test.try('SELECT hermes.cancel_cascade(''00000000-0000-0000-0000-000000000000'')');
SELECT test.try('SELECT hermes.terminate_cascade(''00000000-0000-0000-0000-000000000000'', ''x'')');
SELECT test.try('SELECT hermes.cancel_cascade(NULL)');
SELECT test.try('SELECT hermes.cancel_cascade(''17'')');
