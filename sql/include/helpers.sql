-- Helpers of the regression tests; included by each test, echoes nothing. They mask what differs from run to run:
-- ids <id>, times <time>, hashes <hash>. A call that fails shows SQLSTATE, message, DETAIL and HINT in one line.
\set ECHO none
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null NULL
\pset fieldsep ' | '
SET client_min_messages = notice;

CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

CREATE FUNCTION test.mask(shown text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(shown,
        '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '<id>', 'g'),
        '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z', '<time>', 'g'),
        '"[0-9a-f]{16}"', '"<hash>"', 'g')
$$;

-- Result of a statement (first column), or its error; what it did is undone when it fails.
CREATE FUNCTION test.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text; code text; message text; detail text; hint text;
BEGIN
    EXECUTE statement INTO result;
    RETURN coalesce(nullif(test.mask(result), ''), 'ok');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
    RETURN test.mask(concat_ws(' / ', 'ERROR ' || code || ' ' || message, nullif(detail, ''), nullif(hint, '')));
END
$$;

-- The same for many values of one argument: the statement names it as $1.
CREATE FUNCTION test.try(statement text, argument jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT test.try(replace(statement, '$1', quote_nullable(argument)))
$$;

CREATE FUNCTION test.dlr(id uuid, status text, attempt integer DEFAULT NULL, more jsonb DEFAULT '{}',
                         signal_id text DEFAULT NULL) RETURNS hermes.signal_result LANGUAGE sql AS $$
    SELECT hermes.signal_cascade(id, 'dlr', jsonb_build_object('status', status) ||
        CASE WHEN attempt IS NULL THEN '{}' ELSE jsonb_build_object('attempt', attempt) END || more, signal_id)
$$;

-- One line: status, outcome (corrected outcome), step, channel, then each attempt as number:channel/provider phase state.
CREATE FUNCTION test.state(id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s jsonb := hermes.cascade_status(id);
    a jsonb; line text;
BEGIN
    line := concat_ws(' ', s ->> 'status', s ->> 'outcome', '(' || (s ->> 'corrected_outcome') || ')', 'step', s ->> 'step', s ->> 'channel');
    FOR a IN SELECT * FROM jsonb_array_elements(s -> 'attempts') LOOP
        line := line || format('; %s:%s/%s %s %s', a ->> 'attempt', a ->> 'channel', a ->> 'provider', a ->> 'phase', a ->> 'state')
                     || coalesce(' ' || (a ->> 'failure_kind'), '') || coalesce(' [' || (a ->> 'reason') || ']', '');
    END LOOP;
    RETURN line;
END
$$;

CREATE FUNCTION test.history(id uuid) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT format('%s %s %s', event_id, event_type, test.mask(attributes::text)) FROM hermes.cascade_history(id) ORDER BY event_id;
END
$$;

-- Everything that a cascade leaves in tables, to show that nothing is left.
CREATE FUNCTION test.rows() RETURNS text LANGUAGE sql AS $$
    SELECT format('workflow %s, timer %s, task %s, closed %s, key %s, inbox %s, attempt %s',
        (SELECT count(*) FROM hermes.workflow), (SELECT count(*) FROM hermes.timer), (SELECT count(*) FROM hermes.task), (SELECT count(*) FROM hermes.closed),
        (SELECT count(*) FROM hermes.execution_key), (SELECT count(*) FROM hermes.receipt_inbox),
        (SELECT count(*) FROM hermes.attempt))
$$;

-- Two channels with two providers each and push with one; rule "three" over all of them.
CREATE FUNCTION test.setup() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.create_provider('mail_a', '{"kind": "sandbox", "channel": "email", "position": 1}');
    PERFORM hermes.create_provider('mail_b', '{"kind": "sandbox", "channel": "email", "position": 2}');
    PERFORM hermes.create_provider('sms_a', '{"kind": "sandbox", "channel": "sms", "position": 1}');
    PERFORM hermes.create_provider('sms_b', '{"kind": "sandbox", "channel": "sms", "position": 2}');
    PERFORM hermes.create_provider('push_a', '{"kind": "sandbox", "channel": "push"}');
    PERFORM hermes.create_cascade_rule('three', '{"steps": [{"channel": "email", "timeout": "30s"},
        {"channel": "sms", "timeout": "60s"}, {"channel": "push", "timeout": "10s"}]}');
    PERFORM hermes.create_cascade_rule('once', '{"steps": [{"channel": "sms", "providers": ["sms_a"],
        "retry": {"maximum_attempts": 1}}]}');
END
$$;
\set ECHO all
