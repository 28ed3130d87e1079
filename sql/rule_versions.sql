-- A running cascade keeps its rule version; providers are looked up when a step starts.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT hermes.create_cascade_rule('r', '{"steps": [{"channel": "email"}, {"channel": "sms"}, {"channel": "push"}]}');
SELECT hermes.start_cascade('r', '{}', 'v1') AS v1 \gset
SELECT hermes.alter_cascade_rule('r', '{"steps": [{"channel": "push"}]}');
SELECT hermes.start_cascade('r', '{}', 'v2') AS v2 \gset
SELECT test.state(:'v1');
SELECT test.state(:'v2');
-- version 1 falls over to its own second step, and on to its third
SELECT test.dlr(:'v1', 'undeliverable', 1);
SELECT test.dlr(:'v1', 'undeliverable', 2);
SELECT test.dlr(:'v2', 'undeliverable', 1);
SELECT test.state(:'v1');
SELECT test.state(:'v2');
SELECT rule, rule_version, key, step, channel FROM hermes.cascades ORDER BY key;
-- the rule is dropped, and created again with one step: version 1 still ends by its own third step
SELECT hermes.drop_cascade_rule('r');
SELECT hermes.create_cascade_rule('r', '{"steps": [{"channel": "sms"}]}');
SELECT test.dlr(:'v1', 'delivered', 3);
SELECT test.state(:'v1');
SELECT cascade_status -> 'rule' AS rule, cascade_status -> 'rule_version' AS version FROM hermes.cascade_status(:'v1');
-- a key of an older version names its cascade, without a NOTICE: rule and message are the same
SELECT hermes.start_cascade('r', '{}', 'v1') = :'v1' AS same;

-- ---- providers: a dropped one is not used by steps that start later, a new one is ----
SELECT hermes.create_cascade_rule('named', '{"steps": [{"channel": "email"}, {"channel": "sms", "providers": ["sms_b", "sms_a"]}, {"channel": "push"}]}');
SELECT hermes.start_cascade('named', '{}') AS id \gset
SELECT hermes.drop_provider('sms_b');
SELECT test.dlr(:'id', 'undeliverable', 1);
SELECT test.state(:'id');
SELECT hermes.drop_provider('push_a');
SELECT hermes.create_provider('push_b', '{"kind": "sandbox", "channel": "push"}') > 0;
SELECT test.dlr(:'id', 'undeliverable', 2);
SELECT test.state(:'id');
-- all providers of the further channels are gone: their steps fail, the cascade ends once
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.drop_provider('sms_a');
SELECT hermes.drop_provider('push_b');
SELECT test.dlr(:'id', 'rejected', 1);
SELECT test.state(:'id');
SELECT test.history(:'id');
-- a receipt for a dropped provider's attempt still applies; its name is still shown
SELECT hermes.drop_provider('mail_a');
SELECT test.dlr(:'id', 'delivered', 1);
SELECT test.state(:'id');
