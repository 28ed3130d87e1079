// hc_test_iso_setup(): empties the extension's tables, creates the functions that the specs use, two channels and a few
// rules. One call in the setup of each spec; runs for each permutation. Runs in backends.
#include "worker.hpp"

#include "pg/function.hpp"
#include "pg/wake.hpp"

using namespace hc;

namespace {

constexpr const char *kReset = R"sql(
TRUNCATE hermes.rule_version, hermes.provider, hermes.endpoint, hermes.secret, hermes.tenant_access, hermes.workflow,
    hermes.executor_role, hermes.tenant_role, hermes.timer, hermes.task, hermes.closed, hermes.execution_key, hermes.attempt,
    hermes.receipt_inbox, hermes.dead_letter, hermes.suppression, hermes.recipient_contact, hermes.spend, hermes.tenant_limit
    RESTART IDENTITY;
)sql";

// ---- the workers' side: thin wrappers in C, see functions.cpp ----
constexpr const char *kWorkers = R"sql(
CREATE OR REPLACE FUNCTION take_bound(queue integer) RETURNS timestamptz
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_take_bound';
CREATE OR REPLACE FUNCTION give_bound(queue integer, due timestamptz) RETURNS void
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_give_bound';
CREATE OR REPLACE FUNCTION peek_bound(queue integer) RETURNS timestamptz
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_peek_bound';
CREATE OR REPLACE FUNCTION claim_sends(queue integer, owner bigint, live text[], batch integer, since timestamptz)
    RETURNS TABLE (cascade uuid, task integer, attempt integer, provider integer, skipped text)
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_claim';
CREATE OR REPLACE FUNCTION record_sends(answers text) RETURNS SETOF integer
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_record';
CREATE OR REPLACE FUNCTION rematch_receipts(provider integer, provider_message_id text) RETURNS boolean
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_rematch';
CREATE OR REPLACE FUNCTION record_report(cascade uuid, task integer, endpoint integer) RETURNS void
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_record_report';
CREATE OR REPLACE FUNCTION bury(cascade uuid, task integer, error text) RETURNS boolean
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_bury';
CREATE OR REPLACE FUNCTION bury_given_up() RETURNS integer
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_bury_given_up';
CREATE OR REPLACE FUNCTION claim_sql(role integer, owner bigint) RETURNS TABLE (cascade uuid, task integer)
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_claim_sql';
CREATE OR REPLACE FUNCTION record_sql(cascade uuid, task integer, holds boolean) RETURNS boolean
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_record_sql';
CREATE OR REPLACE FUNCTION give_back_sql(cascade uuid, task integer, role integer) RETURNS void
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_give_back_sql';
CREATE OR REPLACE FUNCTION settle_sql(role integer, reason text) RETURNS TABLE (tasks integer, locked boolean)
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_settle_sql';
CREATE OR REPLACE FUNCTION fire_due(since timestamptz) RETURNS TABLE (tasks integer, locked boolean)
    LANGUAGE C AS 'hermes_cascade_test', 'hc_test_iso_fire';
)sql";

// ---- words of the specs: cascades by name, results without ids and times ----
constexpr const char *kWords = R"sql(
DROP TABLE IF EXISTS named, flight;
CREATE TABLE named (name text, id uuid);
CREATE TABLE flight (owner bigint, name text, cascade uuid, task integer, attempt integer, provider integer, skipped text);

CREATE OR REPLACE FUNCTION id(cascade text) RETURNS uuid LANGUAGE sql AS
$$ SELECT n.id FROM named n WHERE n.name = cascade $$;

CREATE OR REPLACE FUNCTION queue(provider text) RETURNS integer LANGUAGE sql AS
$$ SELECT 16 + 4 * max(p.id) + 1 FROM hermes.provider p WHERE p.name = provider $$; -- the lane of transactional messages

CREATE OR REPLACE FUNCTION start(cascade text, rule text, key text DEFAULT NULL) RETURNS void LANGUAGE sql AS
$$ INSERT INTO named VALUES (cascade, hermes.start_cascade(rule, '{"to": "somebody"}', key)) $$;

CREATE OR REPLACE FUNCTION start_many(keys integer, reverse boolean) RETURNS integer LANGUAGE sql AS
$$ SELECT count(*)::integer FROM hermes.start_cascades('slow', array_fill('{}'::jsonb, ARRAY[keys]),
       ARRAY(SELECT 'k' || i FROM generate_series(1, keys) i ORDER BY CASE WHEN reverse THEN -i ELSE i END)) $$;

CREATE OR REPLACE FUNCTION start_strict(rule text, key text) RETURNS uuid LANGUAGE sql AS
$$ SELECT hermes.start_cascade(rule, '{"to": "somebody"}', key, options => '{"on_conflict": "error"}') $$;

CREATE OR REPLACE FUNCTION note(cascade text) RETURNS hermes.signal_result LANGUAGE sql AS
$$ SELECT hermes.signal_cascade(id(cascade), 'note') $$;

CREATE OR REPLACE FUNCTION cancel(cascade text) RETURNS hermes.signal_result LANGUAGE sql AS
$$ SELECT hermes.cancel_cascade(id(cascade)) $$;

CREATE OR REPLACE FUNCTION receipt(message_id text, status text) RETURNS hermes.signal_result LANGUAGE sql AS
$$ SELECT hermes.apply_receipt('mail', message_id, jsonb_build_object('status', status)) $$;

-- A post of the provider: receipts as 'm-a delivered' or, where it echoes our reference, 'm-a delivered a'; the results in
-- that order.
CREATE OR REPLACE FUNCTION receive(VARIADIC receipts text[]) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(coalesce(n.name, '-') || ' ' || r.result, ', ' ORDER BY r.ordinal)
   FROM hermes.receive_receipts('mail', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', w[1], 'status', w[2],
            'client_ref', id(w[3]) || '-1')) ORDER BY o)::text FROM unnest(receipts) WITH ORDINALITY AS u (receipt, o),
            string_to_array(receipt, ' ') AS w)) r LEFT JOIN named n ON n.id = r.cascade_id $$;

-- A rule of the given channels in order, each with the same timeout.
CREATE OR REPLACE FUNCTION rule(channels text[], timeout text DEFAULT '1h') RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('steps', jsonb_agg(jsonb_build_object('channel', c, 'timeout', timeout) ORDER BY o))
   FROM unnest(channels) WITH ORDINALITY AS u (c, o) $$;

CREATE OR REPLACE FUNCTION dlr(cascade text, status text, attempt integer DEFAULT 1) RETURNS hermes.signal_result
    LANGUAGE sql AS
$$ SELECT hermes.signal_cascade(id(cascade), 'dlr', jsonb_build_object('status', status, 'attempt', attempt)) $$;

CREATE OR REPLACE FUNCTION dlrs(cascades text[], status text) RETURNS hermes.signal_result[]
    LANGUAGE sql AS
$$ SELECT array_agg(s) FROM hermes.signal_cascades(
       ARRAY(SELECT id(c) FROM unnest(cascades) WITH ORDINALITY AS u (c, o) ORDER BY o),
       array_fill('dlr'::text, ARRAY[cardinality(cascades)]),
       array_fill(jsonb_build_object('status', status, 'attempt', 1), ARRAY[cardinality(cascades)])) s $$;

CREATE OR REPLACE FUNCTION state(cascade text) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', s ->> 'status', s ->> 'outcome', 'corrected to ' || (s ->> 'corrected_outcome'),
                    CASE WHEN (s ->> 'contacted')::boolean THEN 'contacted' END,
                    CASE WHEN (s ->> 'duplicate_contact')::boolean THEN 'duplicate_contact' END,
                    'step', s ->> 'step') || ':'
          || (SELECT string_agg(format(' %s=%s/%s', a ->> 'provider', a ->> 'phase', a ->> 'state'), '' ORDER BY o)
              FROM jsonb_array_elements(s -> 'attempts') WITH ORDINALITY AS x (a, o))
   FROM hermes.cascade_status(id(cascade)) s $$;

CREATE OR REPLACE FUNCTION events(cascade text) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM hermes.cascade_history(id(cascade)) $$;

CREATE OR REPLACE FUNCTION tasks(cascade text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(kind || CASE WHEN claimed THEN ' (claimed)' ELSE '' END, ', ' ORDER BY task), 'none')
   FROM hermes.tasks WHERE cascade_id = id(cascade) $$;

CREATE OR REPLACE FUNCTION bound(queue integer) RETURNS text LANGUAGE sql AS
$$ SELECT CASE WHEN b = 'infinity' THEN 'none' WHEN b <= 'epoch' THEN 'everything'
               WHEN b <= clock_timestamp() THEN 'due' ELSE 'later' END FROM peek_bound(queue) b $$;

-- The claim of a dispatcher: its transaction 1. Leaves what it carries in flight. A send that a gate does not let pass has
-- its reason beside it.
CREATE OR REPLACE FUNCTION claim(provider text, owner bigint DEFAULT 1, live text[] DEFAULT '{1,2}',
                                 batch integer DEFAULT 200, since timestamptz DEFAULT NULL) RETURNS text[]
    LANGUAGE plpgsql AS
$$
DECLARE
    names text[];
BEGIN
    WITH claimed AS (
        INSERT INTO flight SELECT owner, n.name, c.cascade, c.task, c.attempt, c.provider, c.skipped
        FROM claim_sends(queue(claim.provider), owner, live, batch, since) c
             JOIN named n ON n.id = c.cascade RETURNING concat_ws(' ', flight.name, flight.skipped) AS name)
    SELECT array_agg(name ORDER BY name) INTO names FROM claimed;
    RETURN coalesce(names, '{}');
END
$$;

-- The record of a dispatcher: its transaction 2. The provider's message id of cascade x is m-x. What was held by others
-- stays in flight.
CREATE OR REPLACE FUNCTION record_answers(verdict text DEFAULT 'accepted', sender bigint DEFAULT 1) RETURNS text
    LANGUAGE plpgsql AS
$$
DECLARE
    answers jsonb;
    names   text[];
    held    text[];
BEGIN
    SELECT coalesce(jsonb_agg(jsonb_build_object('cascade', cascade, 'task', task, 'attempt', attempt,
                                                 'provider', provider, 'verdict', CASE WHEN skipped IS NULL THEN verdict ELSE 'skip' END,
                                                 'reason', coalesce(skipped, ''), 'message_id',
                                                 CASE WHEN verdict = 'accepted' AND skipped IS NULL THEN 'm-' || name ELSE '' END)
                     ORDER BY name), '[]'), coalesce(array_agg(name ORDER BY name), '{}')
    INTO answers, names FROM flight WHERE owner = sender;
    held := ARRAY(SELECT names[i + 1] FROM record_sends(answers::text) i ORDER BY 1);
    DELETE FROM flight WHERE owner = sender AND name <> ALL (held);
    RETURN format('%s done, locked: %s', cardinality(names) - cardinality(held), held);
END
$$;

-- The claim of an executor of role number 1 unless told otherwise, and its record.
CREATE OR REPLACE FUNCTION claim_conditions(sender bigint DEFAULT 1, role integer DEFAULT 1) RETURNS text[] LANGUAGE plpgsql AS
$$
DECLARE
    names text[];
BEGIN
    WITH claimed AS (
        INSERT INTO flight SELECT sender, n.name, c.cascade, c.task, 0, 0 FROM claim_sql(role, sender) c
        JOIN named n ON n.id = c.cascade RETURNING name)
    SELECT array_agg(name ORDER BY name) INTO names FROM claimed;
    RETURN coalesce(names, '{}');
END
$$;

CREATE OR REPLACE FUNCTION record_conditions(holds boolean DEFAULT true, sender bigint DEFAULT 1) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    done text[];
    held text[];
BEGIN
    SELECT coalesce(array_agg(name) FILTER (WHERE good), '{}'), coalesce(array_agg(name) FILTER (WHERE NOT good), '{}') INTO done, held
    FROM (SELECT name, record_sql(cascade, task, holds) AS good FROM flight WHERE owner = sender ORDER BY name) AS f;
    DELETE FROM flight WHERE owner = sender AND name = ANY (done);
    RETURN format('done: %s, locked: %s', done, held);
END
$$;

CREATE OR REPLACE FUNCTION conditions(cascade text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(concat_ws(' ', attributes ->> 'verdict', attributes ->> 'reason'), ', ' ORDER BY event_id), 'none')
   FROM hermes.cascade_history(id(cascade)) WHERE event_type = 'ConditionEvaluated' $$;

-- One pass of the supervisor over due timers and rematches.
CREATE OR REPLACE FUNCTION fire() RETURNS text LANGUAGE sql AS
$$ SELECT format('%s due%s', tasks, CASE WHEN locked THEN ', some locked' ELSE '' END) FROM fire_due(NULL) $$;

CREATE OR REPLACE FUNCTION rematch(provider text, message_id text) RETURNS boolean LANGUAGE sql AS
$$ SELECT rematch_receipts((SELECT max(p.id) FROM hermes.provider p WHERE p.name = provider), message_id) $$;

-- Returns when every rematch is due: one that found nothing is tried again in a few ms.
CREATE OR REPLACE FUNCTION until_rematch() RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    WHILE EXISTS (SELECT FROM hermes.task WHERE kind = 5 AND due > clock_timestamp()) LOOP
        PERFORM pg_sleep(0.001);
    END LOOP;
END
$$;

-- Returns when every timer is due.
CREATE OR REPLACE FUNCTION until_due() RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    WHILE EXISTS (SELECT FROM hermes.timers WHERE due > clock_timestamp()) LOOP
        PERFORM pg_sleep(0.001);
    END LOOP;
END
$$;
)sql";

constexpr const char *kDefinitions = R"sql(
DO $$ BEGIN
    CREATE ROLE regress_iso_one LOGIN;
    CREATE ROLE regress_iso_two LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
SELECT hermes.create_provider('mail', '{"kind": "sandbox", "channel": "email"}'),
       hermes.create_provider('sms', '{"kind": "sandbox", "channel": "sms"}'),
       hermes.create_provider('sms2', '{"kind": "sandbox", "channel": "sms", "position": 2}'),
       hermes.create_provider('paid', '{"kind": "sandbox", "channel": "paid", "cost": {"per_message": 0.4}}');
SELECT hermes.create_cascade_rule('slow', rule('{email,sms}')),
       hermes.create_cascade_rule('quick', jsonb_set(rule('{email,sms}'), '{steps,0,timeout}', '"1ms"')),
       hermes.create_cascade_rule('keep', jsonb_set(rule('{email,sms}'), '{steps,0,timeout}', '"1ms"')
                                  || '{"late_success": "ignore"}'),
       hermes.create_cascade_rule('asks', '{"run_as": "regress_iso_one",
           "steps": [{"channel": "email", "condition": "true", "dispatch_timeout": "1h"}, {"channel": "sms"}]}'),
       hermes.create_cascade_rule('accept', '{"steps": [{"channel": "email", "success_on": "accepted"}]}'),
       hermes.create_cascade_rule('capped', rule('{email,sms}') || '{"category": "news", "frequency": {"max": 1, "per": "1d"}}'),
       hermes.create_cascade_rule('capped_sms', rule('{sms,email}') || '{"category": "news", "frequency": {"max": 1, "per": "1d"}}'),
       hermes.create_cascade_rule('costly', rule('{paid,sms}'));
SELECT hermes.set_tenant_limits('acme', '{"cost_per_day": 1}');
)sql";

void execute(const char *sql) {
    pg::call([sql] {
        if (const int code = SPI_execute(sql, false, 0); code < 0) {
            elog(ERROR, "setup of the specs failed: %s", SPI_result_code_string(code));
        }
    });
}

} // namespace

HC_FUNCTION(hc_test_iso_setup) {
    test_iso::join_server();
    pg::spi_scope spi;
    for (const char *sql : {kReset, kWorkers, kWords, kDefinitions}) {
        execute(sql);
    }
    spi.finish();
    for (int queue = 0; queue < pg::kQueueBounds; ++queue) {
        pg::take_bound(queue); // nothing waits
    }
    return pg::make_void();
}
