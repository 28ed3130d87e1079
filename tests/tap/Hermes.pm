# What the TAP files share: a server with the extension preloaded, definitions, load from client sessions, and waits.
# Every wait is for a condition in the server or in a log, and fails after kPatience seconds.
package Hermes;

use strict;
use warnings;

use Carp qw(croak);
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# Longer than anything waited for takes on a loaded machine, shorter than the patience of whoever reads the failure.
use constant kPatience => 45;
$PostgreSQL::Test::Utils::timeout_default = $ENV{PG_TEST_TIMEOUT_DEFAULT} // kPatience;

# A test that is stopped stops its servers: the END block of PostgreSQL::Test::Cluster does it.
$SIG{TERM} = $SIG{INT} = sub { exit 143 };

our @EXPORT = qw(
  server define_sandbox define_http define_conditions setting workers_are worker_pid all_workers_are executors_are running
  wait_until load start_load finish_load start outcome verdict
  all_closed one_end_each log_since seconds_of alive
);

# A cluster with the extension preloaded. Settings are lines of postgresql.conf; init holds options of Cluster->init.
sub server
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%{ $options{init} // {} });
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'hermes_cascade'
max_worker_processes = 32
max_connections = 60
shared_buffers = 32MB
max_prepared_transactions = 8
log_statement = none
log_replication_commands = off
timezone = 'UTC'
hermes.allow_private_addresses = on
CONF
	$node->append_conf('postgresql.conf', $options{settings}) if defined $options{settings};
	$node->start unless $options{stopped};
	return $node;
}

# Extension and a sandbox channel in a database. Rules: quick (delivered at once), slow (waits an hour for a receipt),
# two (no receipt at the first step, delivered at the second).
sub define_sandbox
{
	my ($node, $database) = @_;
	$node->safe_psql($database, <<'SQL');
CREATE EXTENSION IF NOT EXISTS hermes_cascade;
SELECT hermes.create_provider('sms', '{"kind": "sandbox", "channel": "sms"}');
SELECT hermes.create_provider('mute', '{"kind": "sandbox", "channel": "mute", "script": [{"answer": "accepted"}]}');
SELECT hermes.create_cascade_rule('quick', '{"steps": [{"channel": "sms", "timeout": "1h"}]}');
SELECT hermes.create_cascade_rule('slow', '{"steps": [{"channel": "mute", "timeout": "1h"}]}');
SELECT hermes.create_cascade_rule('two', '{"steps": [{"channel": "mute", "timeout": "50ms"},
                                                     {"channel": "sms", "timeout": "1h"}]}');
SQL
	return;
}

# An HTTP channel whose answer ends the cascade (rule http), and a webhook endpoint for cascades without a tenant.
sub define_http
{
	my ($node, $database, $url, %options) = @_;
	my $path = $options{path} // '/messages';
	my $timeout = $options{timeout} // '10s';
	$node->safe_psql($database, <<"SQL");
CREATE EXTENSION IF NOT EXISTS hermes_cascade;
SELECT hermes.create_provider('web', '{"kind": "http", "channel": "web", "timeout": "$timeout",
    "idempotency_header": "Idempotency-Key",
    "request": {"url": "$url$path", "body": {"to": "{{message.to?}}"}},
    "response": {"message_id": {"path": "\$.id"}}}');
SELECT hermes.create_cascade_rule('http', '{"steps": [{"channel": "web", "success_on": "accepted", "timeout": "1h",
    "retry": {"initial_interval": "100ms", "maximum_attempts": 5}, "on_ambiguous": "retry"}]}');
SELECT hermes.create_endpoint(NULL, '$url/webhook');
SQL
	return;
}

# The sandbox channel with rules whose conditions role `runner` evaluates. asks: message.go says the verdict; slow_yes: true
# after message.sleep seconds; once: runs until table `done` has a row, at most half a minute.
sub define_conditions
{
	my ($node, $database) = @_;
	define_sandbox($node, $database);
	$node->safe_psql($database, <<'SQL');
CREATE TABLE IF NOT EXISTS done (id int);
GRANT SELECT ON done TO PUBLIC;
CREATE OR REPLACE FUNCTION until_done() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM public.done) LOOP
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN true;
END $$;
CREATE FUNCTION pg_temp.rule(condition text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('run_as', 'runner',
        'steps', jsonb_build_array('{"channel": "sms"}'::jsonb || jsonb_build_object('condition', condition) || more)) $$;
SELECT hermes.create_cascade_rule('asks', pg_temp.rule($$CASE message ->> 'go' WHEN 'yes' THEN true WHEN 'no' THEN false
        WHEN 'error' THEN 1 / (cascade.step - 1) = 1 END$$)),
    hermes.create_cascade_rule('slow_yes', pg_temp.rule($$pg_sleep((message ->> 'sleep')::float) IS NOT NULL$$, '{"condition_timeout": "30s"}')),
    hermes.create_cascade_rule('once', pg_temp.rule('until_done()', '{"condition_timeout": "30s"}'));
SQL
	return;
}

# One line of postgresql.conf, in force when it returns.
sub setting
{
	my ($node, $line) = @_;
	my ($name, $value) = $line =~ /^(\S+) = (.*)$/ or croak "no setting: $line";
	$node->append_conf('postgresql.conf', $line);
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'") or croak "not in force: $line";
	return;
}

# ---------------------------------------------------------------- workers

my $count_workers = q{
SELECT count(*) FILTER (WHERE backend_type = 'hermes_cascade supervisor') || ' ' ||
       count(*) FILTER (WHERE backend_type = 'hermes_cascade dispatcher')
FROM pg_stat_activity WHERE datname = '%s'};

# Waits until the database has so many supervisors and dispatchers.
sub workers_are
{
	my ($node, $database, $supervisors, $dispatchers, $what) = @_;
	my $good = $node->poll_query_until('postgres', sprintf($count_workers, $database), "$supervisors $dispatchers");
	return ok($good, $what // "$database: supervisors $supervisors, dispatchers $dispatchers");
}

# Waits until the cluster has so many worker processes of the extension, the launcher included.
sub all_workers_are
{
	my ($node, $count, $what) = @_;
	my $good = $node->poll_query_until('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hermes_cascade %'}, $count);
	return ok($good, $what);
}

# Process id of a worker, once there is one other than `other`.
sub worker_pid
{
	my ($node, $role, %options) = @_;
	my $where = "backend_type = 'hermes_cascade $role'";
	$where .= " AND datname = '$options{database}'" if defined $options{database};
	$where .= " AND usename = '$options{user}'" if defined $options{user};
	$where .= " AND pid <> $options{other}" if defined $options{other};
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE $where")
	  or croak "no $role";
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $where ORDER BY pid LIMIT 1");
}

# Waits until the database has executors of these roles, in order of their names.
sub executors_are
{
	my ($node, $database, $roles, $what) = @_;
	my $found;
	my $good = wait_until(sub {
		$found = $node->safe_psql('postgres', qq{SELECT coalesce(string_agg(usename, ' ' ORDER BY usename), '') FROM pg_stat_activity
			WHERE backend_type = 'hermes_cascade executor' AND datname = '$database'});
		return ref $roles ? $found =~ $roles : $found eq $roles;
	}, $what);
	return ok($good, $what) || diag("executors: $found");
}

# Waits until an executor of the database runs SQL of a user.
sub running
{
	my ($node, $database, $what) = @_;
	my $good = $node->poll_query_until('postgres', qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '$database'
		AND backend_type = 'hermes_cascade executor' AND query LIKE 'evaluating %' AND wait_event = 'PgSleep'});
	return ok($good, $what);
}

# ---------------------------------------------------------------- waiting

# Waits for a condition that no query can tell.
sub wait_until
{
	my ($condition, $what, $seconds) = @_;
	my $end = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	while (time < $end)
	{
		return 1 if $condition->();
		usleep(20_000);
	}
	diag("not reached: $what");
	return 0;
}

# A process that has ended is gone even while nobody has collected it.
sub alive
{
	my ($pid) = @_;
	open my $stat, '<', "/proc/$pid/stat" or return 0;
	my $line = <$stat> // '';
	return $line =~ /\) [^ZX] /;
}

sub seconds_of
{
	my ($action) = @_;
	my $begin = time;
	$action->();
	return time - $begin;
}

sub log_since
{
	my ($node, $offset) = @_;
	return slurp_file($node->logfile, $offset);
}

# ---------------------------------------------------------------- conditions

# One cascade of a rule of define_conditions; its key is the word unless another is given.
sub start
{
	my ($node, $database, $rule, $go, $key, $tenant) = @_;
	$key //= $go;
	my $whose = defined $tenant ? "'$tenant'" : 'NULL';
	$node->safe_psql($database, qq{SELECT hermes.start_cascade('$rule', '{"go": "$go"}', '$key', $whose)});
	return;
}

sub outcome
{
	my ($node, $database, $key) = @_;
	return $node->safe_psql($database, "SELECT outcome FROM hermes.cascades WHERE key = '$key'");
}

# Verdict and reason of the one condition of a cascade.
sub verdict
{
	my ($node, $database, $key) = @_;
	return $node->safe_psql($database, qq{SELECT h.attributes ->> 'verdict', h.attributes ->> 'reason' FROM hermes.history h
		JOIN hermes.cascades c USING (cascade_id) WHERE c.key = '$key' AND h.event_type = 'ConditionEvaluated'});
}

# ---------------------------------------------------------------- load

# A client session that starts numbered cascades by key, one transaction each. It ends when the server does. What the
# server acknowledged is kept: key -> id.
sub start_load
{
	my ($node, $database, $prefix, $rule, $count) = @_;
	my $script = join '',
	  map { "SELECT '$prefix-$_', hermes.start_cascade('$rule', '{\"to\": \"$_\"}', '$prefix-$_');\n" } 1 .. $count;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/$prefix.sql";
	unlink $file;
	append_to_file($file, $script);
	my %load = (output => '', errors => '');
	$load{harness} = IPC::Run::start(
		[ 'psql', '-XAtq', '-F', ' ', '-d', $node->connstr($database), '-f', $file ],
		'<', \undef, '>', \$load{output}, '2>', \$load{errors});
	return \%load;
}

# Acknowledged starts so far.
sub load
{
	my ($load) = @_;
	$load->{harness}->pump_nb if $load->{harness}->pumpable;
	my %ids = $load->{output} =~ /^(\S+) ([0-9a-f-]{36})$/mg;
	return \%ids;
}

sub finish_load
{
	my ($load) = @_;
	$load->{harness}->finish;
	return load($load);
}

# Waits until no cascade of the database is open.
sub all_closed
{
	my ($node, $database, $what) = @_;
	return ok($node->poll_query_until($database, 'SELECT NOT EXISTS (SELECT FROM hermes.workflow)'), $what);
}

# Each key names one cascade, which has one completion in its history and this outcome.
sub one_end_each
{
	my ($node, $database, $prefix, $count, $outcome, $what) = @_;
	my $found = $node->safe_psql($database, <<"SQL");
WITH mine AS (SELECT cascade_id, outcome FROM hermes.cascades WHERE key LIKE '$prefix-%'),
     ends AS (SELECT h.cascade_id, count(*) FROM hermes.history h JOIN mine USING (cascade_id)
              WHERE h.event_type = 'CascadeCompleted' GROUP BY 1)
SELECT (SELECT count(*) FROM mine), (SELECT count(DISTINCT cascade_id) FROM mine), (SELECT count(*) FROM ends WHERE count = 1),
       (SELECT count(*) FROM mine WHERE outcome = '$outcome')
SQL
	return is($found, "$count|$count|$count|$count", $what);
}

1;
