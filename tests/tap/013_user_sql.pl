# What SQL of users can do in an executor: read what its role may read, for so long, and nothing else. Each attack is a
# condition; what it got is told by its verdict and by what is there afterwards.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('main', settings => "hermes.fallback_poll = 60s\nhermes.condition_timeout = 300ms\nhermes.executor_idle_timeout = 1h");
$node->safe_psql('postgres', 'CREATE ROLE runner LOGIN; CREATE ROLE other LOGIN; CREATE ROLE boss SUPERUSER LOGIN;');
define_conditions($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
GRANT other TO runner;
SELECT hermes.set_secret('token', 'hush');
CREATE SCHEMA run AUTHORIZATION runner;
SET ROLE runner;
CREATE TABLE run.mine (id int);
CREATE SEQUENCE run.numbers;
CREATE FUNCTION run.write() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO run.mine VALUES (1); RETURN true; END $$;
CREATE FUNCTION run.do(what text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN true; END $$;
CREATE FUNCTION run.after(what text, probe text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE result boolean;
BEGIN
    BEGIN EXECUTE what; EXCEPTION WHEN OTHERS THEN NULL; END;
    EXECUTE 'SELECT ' || probe INTO result;
    RETURN result;
END $$;
CREATE FUNCTION run.stubborn() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
CREATE FUNCTION run.late() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(60); RETURN true; EXCEPTION WHEN query_canceled THEN RETURN true; END $$;
CREATE FUNCTION run.busy() RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE i bigint := 0; BEGIN LOOP i := i + 1; END LOOP; END $$;
RESET ROLE;
CREATE TABLE owned (who name, what text);
INSERT INTO owned VALUES ('runner', 'a'), ('other', 'b'), ('boss', 'c');
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON owned USING (who = current_user);
GRANT SELECT ON owned TO runner;
CREATE TABLE hidden (id int);
SQL

my $number = 0;

# Verdict of one condition, and its reason.
sub says
{
	my ($condition, $more) = @_;
	$number++;
	(my $quoted = $condition) =~ s/'/''/g;
	$more //= '{}';
	$node->safe_psql('postgres', qq{
SELECT hermes.create_cascade_rule('attack', jsonb_build_object('run_as', 'runner', 'steps',
    jsonb_build_array(jsonb_build_object('channel', 'sms', 'condition', '$quoted') || '$more')));
SELECT hermes.start_cascade('attack', '{"name": "x"}', 'attack-$number')});
	$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM hermes.workflow)') or return 'still open';
	return verdict($node, 'postgres', "attack-$number");
}

sub fails
{
	my ($condition, $sqlstate, $what) = @_;
	return like(says($condition), qr/^failed\|$sqlstate\b/, $what);
}

# ---- what a condition sees
is(says(q{message ->> 'name' = 'x' AND cascade.message = message AND key LIKE 'attack-%' AND tenant IS NULL AND step = 1
	AND channel = 'sms' AND attempts = '[]' AND cascade_id IS NOT NULL}), 'yes|', 'message, key, tenant, step, channel, attempts, cascade_id');
is(says('session_user = current_user AND current_user = \'runner\''), 'yes|', 'it runs as the role, in a session of the role');
is(says("true -- a comment"), 'yes|', 'a comment at its end hides nothing');
is(says("EXISTS (SELECT FROM run.mine) IS FALSE AND 1 IN (SELECT 1)"), 'yes|', 'it may query');
fails('no_such_column', '42703', 'a column that is not there');
fails("'a'::text", '22P02', 'a value that is no boolean');
fails('now()', '42846', 'a type that has no cast to boolean');
fails('generate_series(1, 100000000) > 0', '21000', 'many rows');
is(says('count(*) = 1'), 'yes|', 'an aggregate is over the one cascade');

# ---- it cannot write
fails('run.write()', '25006', 'INSERT');
fails("nextval('run.numbers') > 0", '25006', 'nextval');
fails("run.do('CREATE TEMP TABLE t ()')", '25006', 'a temporary table');
fails("run.do('SELECT 1 FROM run.mine FOR UPDATE')", '25006', 'row locks');
is(says("run.do('LOCK TABLE run.mine')"), 'yes|', 'a table it owns it may lock');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE relation = 'run.mine'::regclass}), 0, 'for as long as it runs');
fails("run.do('SET TRANSACTION READ WRITE')", '25001', 'SET TRANSACTION READ WRITE');
fails("set_config('transaction_read_only', 'off', true) IS NOT NULL", '25001', 'transaction_read_only off');
for my $way ('SET TRANSACTION READ WRITE', 'RESET transaction_read_only', 'SET transaction_read_only TO DEFAULT', 'RESET ALL', 'DISCARD ALL')
{
	fails("run.after('$way', 'run.write()')", '25006', "INSERT after $way");
	fails("run.after('$way', 'nextval(''run.numbers'') > 0')", '25006', "nextval after $way");
}
fails("run.do('COMMIT')", '(?:0A000|2D000)', 'COMMIT');
is($node->safe_psql('postgres', 'SELECT count(*) FROM run.mine'), 0, 'nothing was written');
is($node->safe_psql('postgres', 'SELECT is_called FROM run.numbers'), 'f', 'no number was taken');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relpersistence = 't'}), 0, 'no temporary table is left');

# ---- it cannot become anybody else
fails("run.do('SET ROLE boss')", '42501', 'SET ROLE');
fails("set_config('role', 'boss', false) IS NOT NULL", '42501', 'set_config of role');
fails("run.do('SET SESSION AUTHORIZATION boss')", '42501', 'SET SESSION AUTHORIZATION');
fails("set_config('session_authorization', 'postgres', false) IS NOT NULL", '42501', 'set_config of session_authorization');
for my $back ('RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET ALL', 'DISCARD ALL', q{SELECT set_config('role', 'none', false)})
{
	(my $quoted = $back) =~ s/'/''/g;
	is(says("run.after('$quoted', 'current_user = ''runner'' AND session_user = ''runner'' AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)')"),
		'yes|', "$back leads back to the role");
}
is(says("run.after('SET ROLE other', 'current_user = ''other''')"), 'yes|', 'a role that it is a member of is one of its own rights');
is(says("current_user = 'runner'"), 'yes|', 'and is not there for the next condition');
fails("run.do('ALTER ROLE runner SUPERUSER')", '(?:25006|42501)', 'ALTER ROLE');
fails("run.do('COPY (SELECT 1) TO PROGRAM ''true''')", '42501', 'COPY TO PROGRAM');
fails("pg_read_file('postgresql.conf') IS NOT NULL", '42501', 'files of the server');

# ---- it sees what its role may see
fails('EXISTS (SELECT FROM hermes.secret)', '42501', 'secrets');
fails('EXISTS (SELECT FROM hermes.workflow)', '42501', 'other cascades');
fails('EXISTS (SELECT FROM hermes.cascades)', '42501', 'other cascades by the view');
fails("hermes.set_tenant_role(NULL, 'boss') IS NULL", '42501', 'verbs');
fails('EXISTS (SELECT FROM hidden)', '42501', 'tables of others');
is(says("(SELECT string_agg(what, ',') = 'a' FROM owned)"), 'yes|', 'of a table with row-level security its own rows');
is(says("run.after('SET row_security = off', '(SELECT count(*) FROM owned) = 1')"), 'failed|42501: query would be affected by row-level security policy', 'also with row_security off');

# ---- as with an application's role: verbs read, they do not write
$node->safe_psql('postgres', 'GRANT hermes_app TO runner');
fails("hermes.start_cascade('quick', '{}') IS NOT NULL", '25006', 'start_cascade inside of a condition');
is(says("hermes.cascade_status(cascade_id) ->> 'status' = 'RUNNING'"), 'yes|', 'its own status may be asked for');
fails('EXISTS (SELECT FROM hermes.secret)', '42501', 'secrets stay secret');
$node->safe_psql('postgres', 'REVOKE hermes_app FROM runner');

# ---- it cannot outlive its timeout
is(says('pg_sleep(60) IS NULL'), 'failed|timeout', 'pg_sleep');
is(says('run.busy()'), 'failed|timeout', 'a loop');
is(says('run.late()'), 'failed|timeout', 'a result after a swallowed cancel is none');
my $begin = time;
is(says("pg_sleep(0.6) IS NOT NULL", '{"condition_timeout": "5s"}'), 'yes|', 'a step may give more time');
is(says('pg_sleep(60) IS NULL', '{"condition_timeout": "50ms"}'), 'failed|timeout', 'or less');
is(says("set_config('statement_timeout', '0', false) IS NOT NULL AND pg_sleep(60) IS NULL"), 'failed|timeout', 'settings do not help');
my $executor = worker_pid($node, 'executor');
$node->safe_psql('postgres', q{SELECT hermes.create_cascade_rule('next', '{"run_as": "runner", "steps": [{"channel": "sms", "condition": "true"}]}')});
my $seconds = seconds_of(sub { is(says('run.stubborn()'), 'failed|timeout: cancel ignored', 'a loop that swallows cancels ends with its process') });
cmp_ok($seconds, '<', 10, 'soon');
is(says('true'), 'yes|', 'the next executor serves the next condition');
isnt(worker_pid($node, 'executor'), $executor, 'which is another one');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.dead_letters}), 0, 'no dead letter came of it');
like(log_since($node, 0), qr/ignored its cancel/, 'the log tells of it');

# ---- it leaves nothing for the next condition
$executor = worker_pid($node, 'executor');
is(says("set_config('work_mem', '64kB', false) = '64kB' AND set_config('my.note', 'secret', false) = 'secret' AND set_config('search_path', 'run', false) = 'run'"), 'yes|', 'settings');
is(says("run.do('PREPARE leak AS SELECT 1') AND EXISTS (SELECT FROM pg_prepared_statements)"), 'yes|', 'a prepared statement');
is(says("pg_try_advisory_lock(42)"), 'yes|', 'an advisory lock of the session');
is(says("run.do('DECLARE leak CURSOR WITH HOLD FOR SELECT 1') AND EXISTS (SELECT FROM pg_cursors WHERE name = 'leak')"), 'yes|', 'a cursor');
is(says('setseed(0.5) IS NOT NULL AND random() > 0.98 AND random() > 0.82'), 'yes|', 'a seed') if $node->pg_version < 17;
is(says("run.do('LISTEN leak')") =~ /^(?:yes|failed\|0A000)/, 1, 'LISTEN');
is(says(q{current_setting('work_mem') <> '64kB' AND coalesce(current_setting('my.note', true), '') = '' AND current_setting('search_path') <> 'run'
	AND NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'leak') AND NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'leak')
	AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory') AND NOT EXISTS (SELECT FROM pg_listening_channels())}), 'yes|', 'are gone');
is(worker_pid($node, 'executor'), $executor, 'in the same session');
is($node->safe_psql('postgres', 'SELECT pg_try_advisory_lock(42)'), 't', 'the lock is free');

# ---- what a role sets for its sessions is in force for its SQL, and nowhere else
$node->safe_psql('postgres', <<'SQL');
SET ROLE runner;
CREATE FUNCTION run.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
CREATE FUNCTION run.unnest(uuid[]) RETURNS SETOF uuid LANGUAGE sql AS $$ SELECT NULL::uuid WHERE false $$;
CREATE FUNCTION run.no(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR run.<> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = run.no);
CREATE OPERATOR run.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = run.no);
ALTER ROLE runner SET search_path = run, pg_catalog;
ALTER ROLE runner SET TimeZone = 'Asia/Tokyo';
ALTER ROLE runner SET default_transaction_read_only = on;
ALTER ROLE runner SET default_transaction_isolation = 'serializable';
ALTER ROLE runner SET statement_timeout = '1ms';
ALTER ROLE runner SET enable_indexscan = off;
ALTER ROLE runner SET synchronous_commit = off;
ALTER ROLE runner SET standard_conforming_strings = off;
RESET ROLE;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'runner';
SQL
is(says(q{current_setting('TimeZone') = 'Asia/Tokyo' AND current_schema() = 'run' AND now() = 'infinity'}), 'yes|', 'its search_path and time zone');
is(says(q{'a\' = E'a\\\\' AND current_setting('transaction_isolation') = 'read committed'}), 'yes|', 'but strings and isolation as everywhere');
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('next', array_agg('{}'::jsonb), array_agg('many-' || n)) FROM generate_series(1, 200) n});
all_closed($node, 'postgres', 'claims and records do not care');
one_end_each($node, 'postgres', 'many', 200, 'DELIVERED', 'each cascade ends once');

# ---- signals of the role to its own executor
is(says('pg_terminate_backend(pg_backend_pid())') =~ /^yes/, 1, 'a condition that ends its own process');
is(says('pg_cancel_backend(pg_backend_pid()) AND pg_sleep(1) IS NOT NULL'), 'failed|57014: canceling statement due to user request', 'or cancels itself');
fails("pg_terminate_backend(@{[ worker_pid($node, 'supervisor') ]})", '42501', 'other workers are not its own');
is(says('true'), 'yes|', 'all goes on');

unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|terminated by signal/, 'no process crashed');
$node->stop;
done_testing();
