-- Cascade rules: what is accepted, and every kind of input that is not.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT hermes.create_provider('mail', '{"kind": "sandbox", "channel": "email"}');
SELECT hermes.create_provider('text', '{"kind": "sandbox", "channel": "sms"}');

-- the smallest rule, a rule with every key, the next version, alter
SELECT hermes.create_cascade_rule('small', '{"steps": [{"channel": "email"}]}');
SELECT hermes.create_cascade_rule('full', '{
    "steps": [{"channel": "email", "providers": ["mail"], "choose": "least_cost", "success_on": "sent", "timeout": "1h30m", "dispatch_timeout": 5,
               "retry": {"initial_interval": "500ms", "backoff_coefficient": 1.5, "maximum_interval": "10s", "maximum_attempts": 4,
                         "jitter": 0.5, "non_retryable": ["bad address"]},
               "on_ambiguous": "wait_for_dlr", "on_unknown": "success", "revocable": false},
              {"channel": "sms"}],
    "validity": "2d", "late_success": "ignore", "late_failure": "ignore", "webhook_events": ["message.delivered"]}');
SELECT hermes.create_cascade_rule('full', '{"steps": [{"channel": "sms"}]}');
SELECT hermes.alter_cascade_rule('full', '{"steps": [{"channel": "email"}]}');
SELECT name, version, current FROM hermes.rule_version ORDER BY name, version;

-- bad names
SELECT test.try(format('SELECT hermes.create_cascade_rule(%L, ''{"steps": [{"channel": "sms"}]}'')', name))
FROM (VALUES (NULL), (''), (E'a\nb'), (repeat('n', 256))) AS v (name);
SELECT test.try(format('SELECT hermes.create_cascade_rule(%L, ''{"steps": [{"channel": "sms"}]}'')', repeat('n', 255)));
SELECT hermes.drop_cascade_rule(repeat('n', 255));

-- bad documents
SELECT test.try('SELECT hermes.create_cascade_rule(''bad'', NULL)');
SELECT what, test.try('SELECT hermes.create_cascade_rule(''bad'', $1)', rule)
FROM (VALUES
    ('not an object', '[]'::jsonb),
    ('a string', '"x"'),
    ('empty', '{}'),
    ('unknown key', '{"steps": [{"channel": "sms"}], "step": 1}'),
    ('unknown key in a step', '{"steps": [{"channel": "sms", "timeuot": "1s"}]}'),
    ('unknown key in retry', '{"steps": [{"channel": "sms", "retry": {"attempts": 3}}]}'),
    ('steps is no array', '{"steps": {}}'),
    ('0 steps', '{"steps": []}'),
    ('step is no object', '{"steps": ["sms"]}'),
    ('no channel', '{"steps": [{"timeout": "1s"}]}'),
    ('channel is a number', '{"steps": [{"channel": 1}]}'),
    ('bad channel name', '{"steps": [{"channel": "SMS!"}]}'),
    ('channel without provider', '{"steps": [{"channel": "sms"}, {"channel": "fax"}]}'),
    ('unknown provider', '{"steps": [{"channel": "sms", "providers": ["text", "nobody"]}]}'),
    ('provider of another channel', '{"steps": [{"channel": "sms", "providers": ["mail"]}]}'),
    ('provider twice', '{"steps": [{"channel": "sms", "providers": ["text", "text"]}]}'),
    ('negative timeout', '{"steps": [{"channel": "sms", "timeout": "-30s"}]}'),
    ('negative number', '{"steps": [{"channel": "sms", "timeout": -1}]}'),
    ('zero timeout', '{"steps": [{"channel": "sms", "timeout": 0}]}'),
    ('timeout too small', '{"steps": [{"channel": "sms", "timeout": "1us"}]}'),
    ('timeout too large', '{"steps": [{"channel": "sms", "timeout": "366d"}]}'),
    ('timeout beyond numbers', '{"steps": [{"channel": "sms", "timeout": 1e300}]}'),
    ('timeout is no duration', '{"steps": [{"channel": "sms", "timeout": "soon"}]}'),
    ('timeout without unit', '{"steps": [{"channel": "sms", "timeout": "30"}]}'),
    ('timeout is null', '{"steps": [{"channel": "sms", "timeout": null}]}'),
    ('negative dispatch timeout', '{"steps": [{"channel": "sms", "dispatch_timeout": "-1s"}]}'),
    ('negative validity', '{"steps": [{"channel": "sms"}], "validity": "-1h"}'),
    ('choose', '{"steps": [{"channel": "sms", "choose": "cheapest"}]}'),
    ('choose is no word', '{"steps": [{"channel": "sms", "choose": ["least_cost"]}]}'),
    ('success_on', '{"steps": [{"channel": "sms", "success_on": "clicked"}]}'),
    ('on_ambiguous', '{"steps": [{"channel": "sms", "on_ambiguous": true}]}'),
    ('on_unknown', '{"steps": [{"channel": "sms", "on_unknown": "maybe"}]}'),
    ('late_success', '{"steps": [{"channel": "sms"}], "late_success": "no"}'),
    ('late_failure', '{"steps": [{"channel": "sms"}], "late_failure": "no"}'),
    ('webhook event', '{"steps": [{"channel": "sms"}], "webhook_events": ["message.opened"]}'),
    ('webhook event twice', '{"steps": [{"channel": "sms"}], "webhook_events": ["message.failed", "message.failed"]}'),
    ('coefficient below 1', '{"steps": [{"channel": "sms", "retry": {"backoff_coefficient": 0.5}}]}'),
    ('attempts negative', '{"steps": [{"channel": "sms", "retry": {"maximum_attempts": -1}}]}'),
    ('attempts broken', '{"steps": [{"channel": "sms", "retry": {"maximum_attempts": 1.5}}]}'),
    ('jitter', '{"steps": [{"channel": "sms", "retry": {"jitter": 2}}]}'),
    ('maximum below initial', '{"steps": [{"channel": "sms", "retry": {"initial_interval": "10s", "maximum_interval": "1s"}}]}')
) AS v (what, rule);

-- limits: 32 steps, 64 kB, 16 levels
SELECT test.try('SELECT hermes.create_cascade_rule(''steps'', $1)',
                jsonb_build_object('steps', (SELECT jsonb_agg('{"channel": "sms"}'::jsonb) FROM generate_series(1, n))))
FROM (VALUES (32), (33), (1000)) AS v (n);
SELECT test.try('SELECT hermes.create_cascade_rule(''big'', $1)',
                jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('channel', repeat('x', 70000)))));
SELECT test.try('SELECT hermes.create_cascade_rule(''huge'', $1)', jsonb_build_object('steps', repeat('x', 300000)));
SELECT test.try('SELECT hermes.create_cascade_rule(''deep'', $1)', (repeat('{"steps": [', 500) || repeat(']}', 500))::jsonb);
-- PostgreSQL itself refuses the NUL escape in jsonb
SELECT test.try('SELECT hermes.create_cascade_rule(''nul'', ''{"steps": [{"channel": "s\u0000ms"}]}'')');

-- nothing of all that was kept
SELECT DISTINCT name FROM hermes.rule_version ORDER BY name;

-- alter and drop of a rule that does not exist; a dropped one; the versions go on after it
SELECT test.try('SELECT hermes.alter_cascade_rule(''nobody'', ''{"steps": [{"channel": "sms"}]}'')');
SELECT test.try('SELECT hermes.drop_cascade_rule(''nobody'')');
SELECT test.try('SELECT hermes.drop_cascade_rule(NULL)');
SELECT hermes.drop_cascade_rule('small');
SELECT test.try('SELECT hermes.drop_cascade_rule(''small'')');
SELECT test.try('SELECT hermes.alter_cascade_rule(''small'', ''{"steps": [{"channel": "sms"}]}'')');
SELECT test.try('SELECT hermes.start_cascade(''small'', ''{}'')');
SELECT hermes.create_cascade_rule('small', '{"steps": [{"channel": "sms"}]}');
SELECT name, version, current FROM hermes.rule_version WHERE name = 'small' ORDER BY version;
