-- Unqualified use, and search paths that try to take over.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
-- applications may write SET search_path = public, hermes and call the verbs by their bare names
SET search_path = public, hermes;
SELECT start_cascade('three', '{"to": "x"}', 'bare') AS id \gset
SELECT signal_cascade(:'id', 'dlr', '{"status": "sent", "attempt": 1}');
SELECT cascade_status(:'id') ->> 'status', (SELECT count(*) FROM cascade_history(:'id')) AS events;
SELECT rule, key, status FROM cascades;
SELECT count(*) FROM start_cascades('three', ARRAY['{}', '{}']::jsonb[]);
SELECT cancel_cascade(:'id');
SELECT create_cascade_rule('bare', '{"steps": [{"channel": "sms"}]}');
SELECT 'applied'::signal_result;
RESET search_path;

-- a caller's schema before pg_catalog with everything that our statements use
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the trap % was sprung as %', what, current_user; END $$;
CREATE FUNCTION trap.text_eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('text ='); RETURN false; END $$;
CREATE FUNCTION trap.uuid_eq(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('uuid ='); RETURN false; END $$;
CREATE FUNCTION trap.uuid_ge(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('uuid >='); RETURN false; END $$;
CREATE FUNCTION trap.int_eq(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('integer ='); RETURN false; END $$;
CREATE FUNCTION trap.byteacat(bytea, bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('bytea ||'); RETURN NULL; END $$;
CREATE FUNCTION trap.int_plus(integer, integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('integer +'); RETURN NULL; END $$;
CREATE FUNCTION trap.tz_minus(timestamptz, interval) RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('timestamptz -'); RETURN NULL; END $$;
CREATE FUNCTION trap.name_eq(name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('name ='); RETURN false; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.text_eq);
CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.uuid_eq);
CREATE OPERATOR trap.>= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.uuid_ge);
CREATE OPERATOR trap.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.int_eq);
CREATE OPERATOR trap.|| (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = trap.byteacat);
CREATE OPERATOR trap.+ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.int_plus);
CREATE OPERATOR trap.- (LEFTARG = timestamptz, RIGHTARG = interval, FUNCTION = trap.tz_minus);
CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = text, FUNCTION = trap.name_eq);
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('now'); RETURN NULL; END $$;
CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('clock_timestamp'); RETURN NULL; END $$;
CREATE FUNCTION trap.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('format'); RETURN NULL; END $$;
CREATE FUNCTION trap.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('unnest'); END $$;
CREATE FUNCTION trap.max(integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring('max'); RETURN NULL; END $$;
CREATE FUNCTION trap.tenant_visible(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE TABLE trap.workflow (LIKE hermes.workflow);
CREATE DOMAIN trap.jsonb AS text CHECK (false);
CREATE DOMAIN trap.timestamptz AS text CHECK (false);
-- it does spring on the caller's own statements
SET search_path = trap, pg_catalog, hermes;
SELECT 1 + 1;
-- and on none of ours: a fresh session plans every statement under this path
\c -
SET search_path = trap, pg_catalog, hermes;
SELECT hermes.create_provider('late', '{"kind": "sandbox", "channel": "fax"}') IS NOT NULL;
SELECT hermes.alter_provider('late', '{"kind": "sandbox", "channel": "fax"}');
SELECT hermes.create_cascade_rule('late', '{"steps": [{"channel": "fax"}, {"channel": "sms"}]}');
SELECT hermes.set_secret('s', 'v');
SELECT hermes.create_endpoint('acme', 'https://x.example/') IS NOT NULL;
SELECT hermes.start_cascade('late', '{}', 'trap', 'acme') AS id \gset
SELECT hermes.start_cascade('late', '{}', 'trap', 'acme') IS NOT NULL;
SELECT hermes.signal_cascade(:'id', 'dlr', '{"status": "undeliverable", "attempt": 1}');
SELECT hermes.apply_receipt('late', 'm', '{"status": "sent"}');
SELECT hermes.cascade_status(:'id') ->> 'status';
SELECT count(*) FROM hermes.cascade_history(:'id');
SELECT hermes.cancel_cascade(:'id');
SELECT hermes.signal_cascade(:'id', 'dlr', '{"status": "delivered", "attempt": 2}');
SELECT status, outcome, corrected_outcome FROM hermes.cascades ORDER BY 1, 2, 3;
SELECT count(*) > 0 FROM hermes.history;
SELECT kind FROM hermes.tasks ORDER BY 1;
SELECT event_type FROM hermes.deliveries ORDER BY 1;
SELECT count(*) FROM hermes.timers;
SELECT hermes.create_partitions() > 0;
SELECT count(*) FROM hermes.drop_old_partitions('1 day', '1 day', '1 day');
SELECT hermes.drop_provider('late'), hermes.drop_cascade_rule('late'), hermes.drop_secret('s');
SELECT hermes.grant_tenant('hermes_app', 'x'), hermes.revoke_tenant('hermes_app', 'x');
RESET search_path;
-- temporary objects come before everything but are ours no more than others
CREATE TEMP TABLE workflow (id uuid);
CREATE TEMP TABLE rule_version (id integer);
SELECT hermes.start_cascade('three', '{}') IS NOT NULL;
SELECT count(*) FROM workflow;
-- every function that is not C carries its own: none is listed
SELECT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'hermes'::regnamespace AND l.lanname <> 'c' AND p.prosqlbody IS NULL AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false);
