-- Conditions of steps, roles that evaluate them: what is accepted, by whom, and where the tasks wait.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_hermes_sql LOGIN;
CREATE ROLE regress_hermes_sql2 LOGIN;
CREATE ROLE regress_hermes_boss LOGIN SUPERUSER;
CREATE ROLE regress_hermes_wide LOGIN;
GRANT regress_hermes_boss TO regress_hermes_wide;
CREATE ROLE regress_hermes_admin LOGIN;
GRANT hermes_admin, regress_hermes_sql TO regress_hermes_admin;

CREATE FUNCTION test.condition(condition text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT test.try('SELECT hermes.create_cascade_rule(''conditional'', $1)', jsonb_build_object('steps',
        jsonb_build_array('{"channel": "sms"}'::jsonb || jsonb_build_object('condition', condition))) || more)
$$;

-- ---- expressions ----
SELECT c, test.condition(c) FROM (VALUES
    ('true'), ('message ->> ''plan'' = ''gold'''), ('cascade.step > 1 OR tenant IS NULL'), ('1 -- a comment'), ('(1, 2) = (1, 2)'),
    ('EXISTS (SELECT FROM orders o WHERE o.key = cascade.key)'), ('CASE WHEN step = 1 THEN true END'), ('f(VARIADIC x)'),
    ('$$;$$ = $x$ ) $x$'), ('(SELECT x FROM t UNION SELECT y FROM u LIMIT 1)'), ('no_such.column'), ('''--'' = ''(''')) AS v (c);

-- ---- what is none ----
SELECT c, test.condition(c) FROM (VALUES
    ('true AND'), ('a b c'), ('true; DROP TABLE x'), ('true;'), ('true, false'), ('true AS x'), ('*'), ('t.*'), ('true FROM t'),
    ('true) FROM t WHERE (true'), ('true), (true'), ('1) + (1'), ('true) UNION SELECT (true'), ('true) LIMIT (1'), ('true) INTO t FROM (u'),
    ('true WHERE true'), ('true GROUP BY 1'), ('true ORDER BY 1'), ('true LIMIT 1'), ('true FOR UPDATE'), ('DISTINCT true'), ('true INTO t'),
    ('true /* open'), ('''open'), ('"open'), ('$q$ open'), ('true) /* '), ('/* */'), ('-- only'), ('(SELECT'), ('SELECT true'), ('WITH x AS (SELECT 1) SELECT true'),
    ('UPDATE t SET x = 1'), ('$1 = 1'), ('EXISTS (SELECT $8)')) AS v (c);
-- a quote that ends elsewhere when backslashes escape
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT test.condition($c$'\' || ') FROM t -- ' = ''$c$);
RESET standard_conforming_strings;
SELECT what, test.try('SELECT hermes.create_cascade_rule(''conditional'', $1)', rule) FROM (VALUES
    ('no text', '{"steps": [{"channel": "sms", "condition": true}]}'::jsonb),
    ('empty', '{"steps": [{"channel": "sms", "condition": ""}]}'),
    ('second step', '{"steps": [{"channel": "sms", "condition": "true"}, {"channel": "email", "condition": "true,"}]}'),
    ('timeout too long', '{"steps": [{"channel": "sms", "condition": "true", "condition_timeout": "31s"}]}'),
    ('timeout zero', '{"steps": [{"channel": "sms", "condition": "true", "condition_timeout": 0}]}')) AS v (what, rule);
SELECT test.condition(repeat('1', 4096)) ~ '^[0-9]+$' AS longest, test.condition(repeat('1', 4097));

-- ---- run_as ----
SELECT r, test.condition('true', jsonb_build_object('run_as', r)) FROM (VALUES
    ('regress_hermes_sql'), ('regress_hermes_boss'), ('regress_hermes_wide'), ('regress_hermes_admin'), ('nobody_of_that_name'), ('')) AS v (r);
CREATE ROLE regress_hermes_rights LOGIN;
ALTER ROLE regress_hermes_rights BYPASSRLS;
SELECT test.condition('true', '{"run_as": "regress_hermes_rights"}');
ALTER ROLE regress_hermes_rights NOBYPASSRLS REPLICATION;
SELECT test.condition('true', '{"run_as": "regress_hermes_rights"}');
ALTER ROLE regress_hermes_rights NOREPLICATION CREATEROLE;
SELECT test.condition('true', '{"run_as": "regress_hermes_rights"}');
ALTER ROLE regress_hermes_rights NOCREATEROLE;
GRANT pg_write_server_files TO regress_hermes_rights;
SELECT test.condition('true', '{"run_as": "regress_hermes_rights"}');
-- who does it must be a member
SET ROLE regress_hermes_admin;
SELECT test.condition('true', '{"run_as": "regress_hermes_sql"}') ~ '^[0-9]+$' AS member, test.condition('true', '{"run_as": "regress_hermes_sql2"}');
SELECT test.try('SELECT hermes.set_tenant_role(''acme'', ''regress_hermes_sql'')'), test.try('SELECT hermes.set_tenant_role(''acme'', ''regress_hermes_sql2'')');
RESET ROLE;

-- ---- set_tenant_role ----
SELECT s, test.try('SELECT hermes.set_tenant_role(' || s || ')') FROM (VALUES
    ('''acme'', ''regress_hermes_sql2'''), ('NULL, ''regress_hermes_sql'''), ('''*'', ''regress_hermes_sql'''),
    ('''acme'', ''regress_hermes_boss'''), ('''acme'', ''nobody_of_that_name'''),
    ('''other'', NULL'), (''''', ''regress_hermes_sql'''), ('repeat(''t'', 256), ''regress_hermes_sql''')) AS v (s);
SELECT tenant, role_name FROM hermes.tenant_role ORDER BY tenant;
SELECT role_name FROM hermes.executor_role ORDER BY id;
SELECT hermes.set_tenant_role(NULL, NULL), hermes.set_tenant_role('*', NULL);
SELECT tenant, role_name FROM hermes.tenant_role ORDER BY tenant;

-- ---- where the task of a condition waits: in the queue of its role ----
CREATE FUNCTION test.waits_for(cascade uuid) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', v.kind, coalesce(r.role_name, CASE WHEN t.queue = 536870912 THEN 'nobody' ELSE t.queue::text END),
                                CASE WHEN t.due <= clock_timestamp() THEN 'now' END), ', ')
    FROM hermes.task t JOIN hermes.tasks v ON v.cascade_id = t.workflow_id AND v.task = t.number
         LEFT JOIN hermes.executor_role r ON r.id = t.queue - 536870912
    WHERE t.workflow_id = cascade
$$;
SELECT hermes.create_cascade_rule('plain', '{"steps": [{"channel": "sms", "condition": "true"}]}');
SELECT hermes.create_cascade_rule('runs_as', '{"run_as": "regress_hermes_sql", "steps": [{"channel": "sms", "condition": "true"}]}');
SELECT test.waits_for(hermes.start_cascade('plain', '{}')), test.waits_for(hermes.start_cascade('plain', '{}', NULL, 'acme')),
       test.waits_for(hermes.start_cascade('runs_as', '{}')), test.waits_for(hermes.start_cascade('runs_as', '{}', NULL, 'acme'));
SELECT hermes.set_tenant_role('*', 'regress_hermes_sql2'), hermes.set_tenant_role('acme', NULL);
SELECT test.waits_for(hermes.start_cascade('plain', '{}')), test.waits_for(hermes.start_cascade('plain', '{}', NULL, 'acme')),
       test.waits_for(hermes.start_cascade('runs_as', '{}')), test.waits_for(hermes.start_cascade('runs_as', '{}', NULL, 'acme'));
SELECT hermes.set_tenant_role(NULL, 'regress_hermes_sql2');
SELECT test.waits_for(hermes.start_cascade('runs_as', '{}')), test.waits_for(hermes.start_cascade('runs_as', '{}', NULL, 'acme'));

-- ---- nobody but administrators ----
SET ROLE regress_hermes_sql;
SELECT hermes.set_tenant_role('acme', 'regress_hermes_sql');
SELECT * FROM hermes.tenant_role;
RESET ROLE;

REVOKE hermes_admin FROM regress_hermes_admin;
DROP ROLE regress_hermes_sql, regress_hermes_sql2, regress_hermes_boss, regress_hermes_wide, regress_hermes_admin, regress_hermes_rights;
