# Executors: they are there while a role has SQL to run, under its name; they end with their server, database, extension
# and role, and what they had in hand is run by the next one.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The longest fallback poll: what comes sooner came by a wake-up.
my $node = server('main', settings => "hermes.fallback_poll = 60s\nhermes.executor_idle_timeout = 1h\nrestart_after_crash = on");
$node->safe_psql('postgres', 'CREATE ROLE runner LOGIN; CREATE ROLE other LOGIN;');
define_conditions($node, 'postgres');

# ---- what a condition says
my %expected = (
	yes => ['DELIVERED', 'yes', ''],
	no => ['EXHAUSTED', 'no', ''],
	'null' => ['EXHAUSTED', 'no', ''],
	'error' => ['EXHAUSTED', 'failed', '22012: division by zero'],
);
start($node, 'postgres', 'asks', $_) for sort keys %expected;
all_closed($node, 'postgres', 'cascades with conditions end');
for my $word (sort keys %expected)
{
	my ($outcome, $verdict, $reason) = @{ $expected{$word} };
	is(outcome($node, 'postgres', $word), $outcome, "condition, $word: outcome");
	is(verdict($node, 'postgres', $word), "$verdict|$reason", "condition, $word: verdict");
}
is($node->safe_psql('postgres', q{SELECT string_agg(name || ' ' || value, ', ' ORDER BY name) FROM hermes.stats WHERE name LIKE 'conditions%'}),
	'conditions_evaluated 3, conditions_failed 1', 'hermes.stats counts them');

# ---- where it shows
my $executor = worker_pid($node, 'executor');
is($node->safe_psql('postgres', qq{SELECT usename, application_name, state FROM pg_stat_activity WHERE pid = $executor}),
	'runner|hermes_cascade executor|idle', 'pg_stat_activity shows an executor under its role');
is($node->safe_psql('postgres', q{SELECT role, state, database_role, tasks, in_flight FROM hermes.workers WHERE role = 'executor'}),
	'executor|running|runner|4|0', 'so does hermes.workers');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.workers WHERE role <> 'executor' AND database_role IS NOT NULL}), 0,
	'the other workers have no role of their own');
my $seconds = seconds_of(sub {
	start($node, 'postgres', 'asks', 'yes', 'soon');
	all_closed($node, 'postgres', 'an idle executor is woken');
});
cmp_ok($seconds, '<', 10, 'at once');
is(worker_pid($node, 'executor'), $executor, 'and is the same');

# ---- a role each, and no more processes than allowed: they take turns
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role('acme', 'other')});
start($node, 'postgres', 'asks', 'yes', 'acme-1', 'acme');
all_closed($node, 'postgres', q{a tenant's role runs its conditions});
executors_are($node, 'postgres', 'other runner', 'an executor for each role');
setting($node, 'hermes.max_executors = 1');
executors_are($node, 'postgres', qr/^(?:other|runner)$/, 'a lower hermes.max_executors ends one');
$node->safe_psql('postgres', q{
SELECT hermes.start_cascades('asks', array_agg('{"go": "yes"}'::jsonb), array_agg('turn-r-' || n)) FROM generate_series(1, 300) n;
SELECT hermes.start_cascades('asks', array_agg('{"go": "yes"}'::jsonb), array_agg('turn-a-' || n), 'acme') FROM generate_series(1, 300) n});
all_closed($node, 'postgres', 'two roles share one process');
one_end_each($node, 'postgres', 'turn', 600, 'DELIVERED', 'each cascade ends once');
setting($node, 'hermes.max_executors = 0');
executors_are($node, 'postgres', '', 'none are allowed');
start($node, 'postgres', 'asks', 'yes', 'held');
is(wait_until(sub { outcome($node, 'postgres', 'held') ne '' }, 'nothing', 0.5), 0, 'SQL waits');
setting($node, 'hermes.max_executors = 4');
all_closed($node, 'postgres', 'and is run when some are allowed again');

# ---- more processes for one role while its queue stays full
setting($node, 'hermes.executors_per_role = 3');
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('slow_yes', array_agg('{"sleep": 0.3}'::jsonb), array_agg('help-' || n)) FROM generate_series(1, 20) n});
executors_are($node, 'postgres', qr/runner runner runner/, 'an executor that cannot keep up gets help');
all_closed($node, 'postgres', 'all are run');
one_end_each($node, 'postgres', 'help', 20, 'DELIVERED', 'each cascade ends once');
setting($node, 'hermes.executors_per_role = 1');
executors_are($node, 'postgres', qr/^(?:other )?runner$/, 'the helpers end when they are not allowed any more');

# ---- an idle one ends
setting($node, 'hermes.executor_idle_timeout = 200ms');
start($node, 'postgres', 'asks', 'yes', 'idle');
all_closed($node, 'postgres', 'a condition');
executors_are($node, 'postgres', '', 'executors without work end');
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('asks', array_agg('{"go": "yes"}'::jsonb), array_agg('again-' || n)) FROM generate_series(1, 20) n});
all_closed($node, 'postgres', 'and start again for the next');
setting($node, 'hermes.executor_idle_timeout = 1h');

# ---- drain: the condition that runs is given back and run again
start($node, 'postgres', 'once', 'drain', 'drain');
running($node, 'postgres', 'a condition runs');
$executor = worker_pid($node, 'executor');
$seconds = seconds_of(sub {
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($executor)");
	ok(wait_until(sub { !alive($executor) }, 'the end'), 'a terminated executor ends');
});
cmp_ok($seconds, '<', 5, 'long before the condition would');
my $next = worker_pid($node, 'executor', other => $executor);
running($node, 'postgres', 'another one runs the condition');
is($node->safe_psql('postgres', q{SELECT claims FROM hermes.tasks WHERE kind = 'condition'}), 1, 'the claim of the first does not count');
$node->safe_psql('postgres', 'INSERT INTO done DEFAULT VALUES');
all_closed($node, 'postgres', 'the cascade ends');
is(verdict($node, 'postgres', 'drain'), 'yes|', 'with the verdict of the condition');
$node->safe_psql('postgres', 'DELETE FROM done');

# ---- kill -9: the server restarts, the condition is run again
start($node, 'postgres', 'once', 'killed', 'killed-1');
running($node, 'postgres', 'a condition runs');
kill 9, worker_pid($node, 'executor');
ok($node->poll_query_until('postgres', 'SELECT true'), 'the server serves again');
running($node, 'postgres', 'the condition runs again');
is($node->safe_psql('postgres', q{SELECT claims FROM hermes.tasks WHERE kind = 'condition'}), 2, 'the claim is counted');
$node->safe_psql('postgres', 'INSERT INTO done DEFAULT VALUES');
all_closed($node, 'postgres', 'the cascade ends');
one_end_each($node, 'postgres', 'killed', 1, 'DELIVERED', 'once');
$node->safe_psql('postgres', 'DELETE FROM done');

# ---- what is claimed beside a task that takes its executor down is not blamed for it
setting($node, 'hermes.workers = off');
all_workers_are($node, 1, 'without workers');
$node->safe_psql('postgres', q{
SELECT hermes.start_cascades('asks', array_agg('{"go": "yes"}'::jsonb), array_agg('before-' || n)) FROM generate_series(1, 40) n;
SELECT hermes.start_cascade('once', '{}', 'culprit-1');
SELECT hermes.start_cascades('asks', array_agg('{"go": "yes"}'::jsonb), array_agg('behind-' || n)) FROM generate_series(1, 40) n});
setting($node, 'hermes.workers = on');
my $claims = q{SELECT coalesce(max(t.claims), 0) FROM hermes.tasks t JOIN hermes.cascades c USING (cascade_id) WHERE t.kind = 'condition' AND c.key %s 'culprit-1'};
for my $kills (1 .. 4)
{
	running($node, 'postgres', "kill $kills: the culprit runs");
	is($node->safe_psql('postgres', sprintf($claims, '=')), $kills, 'each claim of it is counted');
	kill 9, worker_pid($node, 'executor');
	ok($node->poll_query_until('postgres', 'SELECT true'), 'the server serves again');
}
running($node, 'postgres', 'once more');
cmp_ok($node->safe_psql('postgres', sprintf($claims, '<>')), '<=', 2, 'but not of those beside it');
$node->safe_psql('postgres', 'INSERT INTO done DEFAULT VALUES');
all_closed($node, 'postgres', 'all cascades end');
one_end_each($node, 'postgres', $_, $_ eq 'culprit' ? 1 : 40, 'DELIVERED', "$_: once each") for qw(before culprit behind);
$node->safe_psql('postgres', 'DELETE FROM done');

# ---- a task that was claimed too often is poison
setting($node, 'hermes.workers = off');
all_workers_are($node, 1, 'without workers');
start($node, 'postgres', 'asks', 'yes', 'poison');
$node->safe_psql('postgres', 'UPDATE hermes.task SET claims = 20');
setting($node, 'hermes.workers = on');
all_closed($node, 'postgres', 'the cascade of a poison condition ends');
is(verdict($node, 'postgres', 'poison'), 'failed|claimed too often without an answer', 'the condition failed');
is($node->safe_psql('postgres', q{SELECT kind, error FROM hermes.dead_letters}), 'condition|claimed too often without an answer', 'the task is a dead letter');

# ---- the kill switch, with a condition that runs
start($node, 'postgres', 'once', 'switch', 'switch');
running($node, 'postgres', 'a condition runs');
$seconds = seconds_of(sub {
	setting($node, 'hermes.workers = off');
	all_workers_are($node, 1, 'hermes.workers = off stops executors');
});
cmp_ok($seconds, '<', 10, 'soon');
setting($node, 'hermes.workers = on');
running($node, 'postgres', 'on again, the condition is run again');

# ---- DROP EXTENSION is not blocked by SQL that runs
$seconds = seconds_of(sub { $node->safe_psql('postgres', 'DROP EXTENSION hermes_cascade CASCADE') });
cmp_ok($seconds, '<', 5, 'DROP EXTENSION while a condition runs');
$node->safe_psql('postgres', 'INSERT INTO done DEFAULT VALUES');
all_workers_are($node, 1, 'ends the executor');
$node->safe_psql('postgres', 'DELETE FROM done');
define_conditions($node, 'postgres');
start($node, 'postgres', 'asks', 'yes', 'anew');
all_closed($node, 'postgres', 'created again, conditions run');
is(verdict($node, 'postgres', 'anew'), 'yes|', 'as before');

# ---- commands on the database
$node->safe_psql('postgres', 'CREATE DATABASE one');
define_conditions($node, 'one');
start($node, 'one', 'once', 'rename', 'rename');
running($node, 'one', 'a condition runs in another database');
$seconds = seconds_of(sub { $node->safe_psql('postgres', 'ALTER DATABASE one RENAME TO uno') });
cmp_ok($seconds, '<', 10, 'RENAME is not held up');
running($node, 'uno', 'the condition is run again afterwards');
$seconds = seconds_of(sub { $node->safe_psql('postgres', 'DROP DATABASE uno') });
cmp_ok($seconds, '<', 10, 'nor is DROP DATABASE');

# ---- fast shutdown
start($node, 'postgres', 'once', 'shutdown', 'shutdown-1');
running($node, 'postgres', 'a condition runs');
$seconds = seconds_of(sub { $node->stop('fast') });
cmp_ok($seconds, '<', 10, 'a fast shutdown does not wait for it');
$node->start;
running($node, 'postgres', 'the next start runs it again');

# ---- the postmaster dies
my @children = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
$seconds = seconds_of(sub {
	$node->kill9;
	ok(wait_until(sub { !grep { alive($_) } $postmaster, @children }, 'the end'), 'no executor outlives the postmaster');
});
cmp_ok($seconds, '<', 15, 'by the time that its condition would take');
# a dead postmaster that nobody has collected would still block the start
unlink $node->data_dir . '/postmaster.pid', glob($node->host . '/.s.PGSQL.' . $node->port . '*');
$node->start;
running($node, 'postgres', 'and runs the condition once more');
$node->safe_psql('postgres', 'INSERT INTO done DEFAULT VALUES');
all_closed($node, 'postgres', 'its cascade ends');
one_end_each($node, 'postgres', 'shutdown', 1, 'DELIVERED', 'once');

unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|terminated by signal (?:6|11)/, 'no process crashed');
$node->stop;
done_testing();
