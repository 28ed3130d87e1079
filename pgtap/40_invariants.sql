-- After a mixed load of starts, signals, set-based signals, cancels and dropped providers: what must hold for every cascade.
-- Needs: database with the extension and pgTAP and without cascades of others, workers off (they would move the cascades on). Rolls back.
BEGIN;
SET LOCAL search_path = public, pg_catalog;
SELECT no_plan();
SELECT setseed(0.42) \gset ignored_

-- ---- the load ----
SELECT hermes.create_provider('inv_mail_a', '{"kind": "sandbox", "channel": "inv_email", "position": 1}') AS p1 \gset
SELECT hermes.create_provider('inv_mail_b', '{"kind": "sandbox", "channel": "inv_email", "position": 2}') AS p2 \gset
SELECT hermes.create_provider('inv_sms', '{"kind": "sandbox", "channel": "inv_sms"}') AS p3 \gset
SELECT hermes.create_provider('inv_push', '{"kind": "sandbox", "channel": "inv_push"}') AS p4 \gset
SELECT hermes.create_cascade_rule('inv_plain', '{"steps": [{"channel": "inv_email", "revocable": true}, {"channel": "inv_sms"}, {"channel": "inv_push"}]}') AS r1 \gset
SELECT hermes.create_cascade_rule('inv_timed', '{"steps": [{"channel": "inv_email", "dispatch_timeout": "1h", "retry": {"maximum_attempts": 2}},
    {"channel": "inv_sms", "success_on": "read", "dispatch_timeout": "10m"}], "validity": "3h", "late_success": "ignore"}') AS r2 \gset
SELECT hermes.create_endpoint('inv_acme', 'https://a.example/') AS e1 \gset
SELECT hermes.create_endpoint('inv_acme', 'https://b.example/', '{"events": ["message.delivered", "message.status_corrected"]}') AS e2 \gset

CREATE TEMP TABLE mine (n serial PRIMARY KEY, id uuid NOT NULL);
INSERT INTO mine (id)
SELECT hermes.start_cascade(CASE WHEN n % 2 = 0 THEN 'inv_plain' ELSE 'inv_timed' END, jsonb_build_object('n', n), CASE WHEN n % 3 > 0 THEN 'inv-' || n END,
                            CASE WHEN n % 4 = 0 THEN 'inv_acme' END) FROM generate_series(1, 150) AS n;
INSERT INTO mine (id) SELECT hermes.start_cascades('inv_plain', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 150) n), ARRAY(SELECT 'inv-set-' || n FROM generate_series(1, 150) n), 'inv_acme');

CREATE FUNCTION pg_temp.report() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'status', (ARRAY['queued', 'accepted', 'sent', 'deferred', 'unknown', 'failed', 'failed', 'expired', 'undeliverable', 'rejected', 'canceled', 'delivered', 'read', 'gibberish'])[1 + floor(random() * 14)],
        'attempt', CASE WHEN random() < 0.9 THEN 1 + floor(random() * 4) END,
        'failure_kind', CASE WHEN random() < 0.3 THEN (ARRAY['soft', 'hard', 'policy', 'config'])[1 + floor(random() * 4)] END,
        'provider_message_id', CASE WHEN random() < 0.2 THEN 'm-' || floor(random() * 3) END,
        'sequence', CASE WHEN random() < 0.5 THEN floor(random() * 10) END))
$$;
CREATE FUNCTION pg_temp.load(rounds integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    chosen integer;
    target uuid;
    targets uuid[];
    done integer := 0;
BEGIN
    FOR round IN 1 .. rounds LOOP
        chosen := 1 + floor(random() * 300);
        SELECT id INTO target FROM mine WHERE n = chosen;
        IF random() < 0.75 THEN
            PERFORM hermes.signal_cascade(target, 'dlr', pg_temp.report(), CASE WHEN random() < 0.2 THEN 'e' || floor(random() * 3) END);
        ELSIF random() < 0.3 THEN
            PERFORM hermes.signal_cascade(target, 'clicked');
        ELSIF random() < 0.2 THEN
            PERFORM hermes.cancel_cascade(target, 'load');
        ELSIF random() < 0.2 THEN
            PERFORM hermes.terminate_cascade(target, 'load');
        ELSIF random() < 0.2 THEN
            BEGIN -- what an error undoes must leave nothing either
                PERFORM hermes.signal_cascade(target, 'dlr', '{"status": "delivered", "attempt": 1}');
                PERFORM hermes.start_cascade('inv_plain', '{}', 'inv-undone');
                PERFORM hermes.signal_cascade('00000000-0000-0000-0000-000000000000', 'dlr', '{"status": "sent"}');
            EXCEPTION WHEN SQLSTATE 'WF001' THEN
                NULL;
            END;
        ELSE
            SELECT array_agg(id) INTO targets FROM (SELECT id FROM mine WHERE random() < 0.05) AS s;
            CONTINUE WHEN targets IS NULL;
            PERFORM hermes.signal_cascades(targets, array_fill('dlr'::text, ARRAY[cardinality(targets)]), ARRAY(SELECT pg_temp.report() FROM unnest(targets)));
        END IF;
        IF round = rounds / 2 THEN
            PERFORM hermes.drop_provider('inv_sms');
        END IF;
        done := done + 1;
    END LOOP;
    RETURN done;
END
$$;
SELECT cmp_ok(pg_temp.load(1500), '>', 1400, 'the load ran');

-- ---- what is there ----
CREATE TEMP TABLE events AS SELECT h.* FROM hermes.history h JOIN mine ON h.cascade_id = mine.id;
CREATE INDEX ON events (cascade_id, event_id);
CREATE TEMP TABLE states AS
SELECT c.*, hermes.cascade_status(c.cascade_id) AS status_json FROM hermes.cascades c JOIN mine ON c.cascade_id = mine.id;
ANALYZE events, states;
SELECT ok((SELECT count(*) FROM states WHERE status = 'RUNNING') > 20, 'some cascades are open');
SELECT ok((SELECT count(*) FROM states WHERE outcome = o) > 5, format('some ended %s', o)) FROM unnest(ARRAY['DELIVERED', 'EXHAUSTED', 'CANCELED']) AS o;
SELECT ok((SELECT count(*) FROM states WHERE corrected_outcome IS NOT NULL) > 5, 'some were corrected');
SELECT ok((SELECT count(DISTINCT event_type) FROM events) >= 14, 'most kinds of events occurred');

-- ---- one history ----
SELECT is((SELECT count(*) FROM states), 300::bigint, 'every cascade that was started is there, once');
SELECT is_empty('SELECT w.id FROM hermes.workflow w JOIN hermes.closed c USING (id)', 'none is both open and closed');
SELECT is_empty('SELECT cascade_id FROM events GROUP BY cascade_id HAVING min(event_id) <> 1 OR max(event_id) <> count(*) OR count(DISTINCT event_id) <> count(*)', 'event ids are dense from 1');
SELECT is_empty($$ SELECT cascade_id FROM events GROUP BY cascade_id HAVING count(*) <> (SELECT (status_json ->> 'events')::bigint FROM states s WHERE s.cascade_id = events.cascade_id) $$, 'the state counts the events of the history');
SELECT is_empty($$ SELECT cascade_id FROM events WHERE (event_id = 1) <> (event_type = 'CascadeStarted') $$, 'every history begins with CascadeStarted, and has one');
SELECT is_empty('SELECT cascade_id FROM (SELECT cascade_id, event_time, lag(event_time) OVER (PARTITION BY cascade_id ORDER BY event_id) AS before FROM events) AS e WHERE event_time < before', 'time never goes backward');
SELECT is_empty($$ SELECT cascade_id FROM states s WHERE hermes.time_of_id(cascade_id) <> date_trunc('milliseconds', started_at) $$, 'the time in the id is the start, to the millisecond');
SELECT is_empty($$ SELECT cascade_id FROM events WHERE event_id = 1 AND event_time <> (SELECT started_at FROM states s WHERE s.cascade_id = events.cascade_id) $$, 'and the start is the time of the first event');
SELECT is_empty($$ SELECT cascade_id FROM (SELECT cascade_id, (attributes ->> 'attempt')::integer AS attempt, row_number() OVER (PARTITION BY cascade_id ORDER BY event_id) AS n FROM events WHERE event_type = 'SendScheduled') AS s WHERE attempt <> n $$, 'attempts are numbered from 1 without a gap');
SELECT is_empty($$ SELECT cascade_id, attributes ->> 'task' FROM events WHERE event_type IN ('SendScheduled', 'SendRetry', 'TimerStarted') GROUP BY 1, 2 HAVING count(*) > 1 $$, 'no task number is given out twice');
-- state and its summary
SELECT is_empty($$ SELECT cascade_id FROM states WHERE (status, outcome, corrected_outcome, step, rule, rule_version, tenant, key, attempts, channel)
    IS DISTINCT FROM (status_json ->> 'status', status_json ->> 'outcome', status_json ->> 'corrected_outcome', (status_json ->> 'step')::integer, status_json ->> 'rule', (status_json ->> 'rule_version')::integer,
                      status_json ->> 'tenant', status_json ->> 'key', jsonb_array_length(status_json -> 'attempts'), status_json ->> 'channel') $$, 'cascade_status and the view say the same');
SELECT is_empty($$ SELECT s.cascade_id FROM states s JOIN LATERAL (SELECT attributes FROM events e WHERE e.cascade_id = s.cascade_id AND event_type = 'StepStarted' ORDER BY event_id DESC LIMIT 1) e ON true
                   WHERE status = 'RUNNING' AND step <> (e.attributes ->> 'step')::integer $$, 'an open cascade stands at the step that its history started last');

-- ---- the end ----
SELECT is_empty($$ SELECT s.cascade_id FROM states s LEFT JOIN events e ON e.cascade_id = s.cascade_id AND e.event_type = 'CascadeCompleted' GROUP BY s.cascade_id, s.status
                   HAVING count(e.event_id) <> (s.status = 'CLOSED')::integer $$, 'exactly one outcome event in each closed history, none in an open one');
SELECT is_empty($$ SELECT c.id FROM hermes.closed c JOIN events e ON e.cascade_id = c.id AND e.event_type = 'CascadeCompleted'
                   WHERE e.attributes ->> 'outcome' IS DISTINCT FROM (ARRAY['DELIVERED', 'EXHAUSTED', 'EXPIRED', 'CANCELED'])[c.outcome] OR e.event_time <> c.closed_at $$, 'the row of a closed cascade has the outcome and the time of its event');
SELECT is_empty($$ SELECT s.cascade_id FROM states s JOIN events e ON e.cascade_id = s.cascade_id AND e.event_type = 'CascadeCompleted' WHERE s.outcome <> e.attributes ->> 'outcome' OR s.closed_at <> e.event_time $$, 'and so has its summary');
SELECT is_empty($$ SELECT s.cascade_id FROM states s WHERE s.corrected_outcome IS DISTINCT FROM
                   (SELECT attributes ->> 'outcome' FROM events e WHERE e.cascade_id = s.cascade_id AND event_type = 'OutcomeCorrected' ORDER BY event_id DESC LIMIT 1) $$, 'the corrected outcome is that of the last correction');
SELECT is_empty($$ SELECT later.cascade_id, later.event_type FROM events done JOIN events later ON later.cascade_id = done.cascade_id AND later.event_id > done.event_id
                   WHERE done.event_type = 'CascadeCompleted' AND later.event_type NOT IN ('ReceiptRecorded', 'ReceiptUnmatched', 'ReceiptParked', 'ReceiptBuffered', 'OutcomeCorrected') $$, 'after the end only receipts and corrections are recorded');
SELECT is_empty($$ SELECT cascade_id FROM events WHERE event_type = 'OutcomeCorrected' AND NOT EXISTS (SELECT FROM events d WHERE d.cascade_id = events.cascade_id AND d.event_type = 'CascadeCompleted' AND d.event_id < events.event_id) $$, 'no correction before the end');

-- ---- tasks are what the history names ----
CREATE TEMP VIEW named AS -- the outstanding send of an open cascade, and its timer
SELECT s.cascade_id, (e.attributes ->> 'task')::integer AS task, 'send' AS kind, (e.attributes ->> 'due')::timestamptz AS due, (e.attributes ->> 'attempt')::integer AS attempt,
       (SELECT (x.attributes ->> 'provider_id')::integer FROM events x WHERE x.cascade_id = s.cascade_id AND x.event_type = 'SendScheduled' AND x.attributes -> 'attempt' = e.attributes -> 'attempt') AS target
FROM states s JOIN LATERAL (SELECT attributes FROM events e WHERE e.cascade_id = s.cascade_id AND event_type IN ('SendScheduled', 'SendRetry') ORDER BY event_id DESC LIMIT 1) e ON true
WHERE s.status = 'RUNNING' AND s.status_json -> 'attempts' -> -1 ->> 'phase' = 'queued'
UNION ALL
SELECT s.cascade_id, (e.attributes ->> 'task')::integer, 'timer', (e.attributes ->> 'due')::timestamptz, 0, 0
FROM states s JOIN LATERAL (SELECT event_type, attributes FROM events e WHERE e.cascade_id = s.cascade_id AND event_type IN ('TimerStarted', 'TimerFired', 'TimerCanceled') ORDER BY event_id DESC LIMIT 1) e ON true
WHERE s.status = 'RUNNING' AND e.event_type = 'TimerStarted';
SELECT ok((SELECT count(*) FROM named WHERE kind = 'send') > 20 AND (SELECT count(*) FROM named WHERE kind = 'timer') > 10, 'histories name sends and timers');
SELECT bag_eq($$ SELECT workflow_id, number, 'send' AS kind, NULL::timestamptz AS due, attempt::integer, target FROM hermes.task JOIN mine ON mine.id = workflow_id WHERE kind = 1
    UNION ALL SELECT workflow_id, number, 'timer', due, 0, 0 FROM hermes.timer JOIN mine ON mine.id = workflow_id $$,
              'SELECT cascade_id, task, kind, CASE kind WHEN ''timer'' THEN due END, attempt, target FROM named' /* the due time of a send is its place */, 'the send and timer tasks are exactly those that the histories of open cascades name');
SELECT is_empty('SELECT c.id FROM hermes.closed c WHERE c.id IN (SELECT workflow_id FROM hermes.task WHERE kind = 1 UNION ALL SELECT workflow_id FROM hermes.timer)', 'no closed cascade has a send or a timer');
SELECT is_empty('SELECT workflow_id FROM hermes.timer WHERE workflow_id NOT IN (SELECT id FROM hermes.workflow)', 'no timer is without its cascade');
SELECT is_empty('SELECT cascade_id FROM named GROUP BY cascade_id, kind HAVING count(*) > 1', 'a cascade has at most one of each');
SELECT is_empty($$ SELECT s.cascade_id FROM states s LEFT JOIN named n ON n.cascade_id = s.cascade_id AND n.kind = 'timer' WHERE s.next_timer IS DISTINCT FROM n.due $$, 'next_timer is the timer');
SELECT is_empty($$ SELECT s.cascade_id FROM states s WHERE s.status = 'RUNNING' AND NOT EXISTS (SELECT FROM named n WHERE n.cascade_id = s.cascade_id) $$, 'every open cascade has something that will move it');
-- reports: one for the outcome and one for each correction, to each endpoint that wants it
SELECT bag_eq($$ SELECT cascade_id, endpoint_id, event_type FROM hermes.deliveries JOIN mine ON mine.id = cascade_id $$, format($$
    SELECT s.cascade_id, w.endpoint, w.type FROM states s JOIN events e ON e.cascade_id = s.cascade_id AND e.event_type IN ('CascadeCompleted', 'OutcomeCorrected')
        CROSS JOIN LATERAL (SELECT CASE WHEN e.event_type = 'OutcomeCorrected' THEN 'message.status_corrected' WHEN s.outcome = 'DELIVERED' THEN 'message.delivered'
                                        WHEN s.outcome = 'EXHAUSTED' THEN 'message.failed' WHEN s.outcome = 'EXPIRED' THEN 'message.expired' ELSE 'message.canceled' END AS type) t
        CROSS JOIN LATERAL (VALUES (%s, t.type), (%s, t.type)) AS w (endpoint, type)
    WHERE s.tenant = 'inv_acme' AND (w.endpoint <> %s OR t.type IN ('message.delivered', 'message.status_corrected')) $$, :e1, :e2, :e2), 'the reports are one a change of the outcome and endpoint');

-- ---- keys ----
SELECT bag_eq($$ SELECT k.workflow_id FROM hermes.execution_key k $$, 'SELECT cascade_id FROM states WHERE key IS NOT NULL', 'each key names one cascade that exists, each cascade with a key has one');
SELECT is_empty($$ SELECT s.cascade_id FROM states s JOIN hermes.execution_key k ON k.workflow_id = s.cascade_id
                   WHERE k.hash <> encode(substr(sha256(convert_to(coalesce(s.tenant, '') || E'\x1f' || s.key, 'UTF8')), 1, 16), 'hex')::uuid $$, 'and is the hash of tenant and key');
SELECT is_empty($$ SELECT cascade_id FROM hermes.cascades WHERE key = 'inv-undone' $$, 'what an error undid left nothing');
-- ---- receipts ----
SELECT is((SELECT count(*) FROM hermes.receipt_inbox i JOIN mine ON mine.id = i.workflow_id WHERE parked), (SELECT count(*) FROM events WHERE event_type = 'ReceiptParked'), 'each report that was parked is in the inbox, raw');
SELECT is_empty($$ SELECT 1 FROM hermes.receipt_inbox WHERE NOT parked UNION ALL SELECT 1 FROM hermes.dead_letter $$, 'nothing waits or died');

SELECT * FROM finish();
ROLLBACK;
