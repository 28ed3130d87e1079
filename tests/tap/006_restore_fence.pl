# The restore fence: a copy of a database (recovered to a point in time, or made by CREATE DATABASE TEMPLATE) sends
# nothing until an operator confirms it; the original goes on.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Sink;
use Test::More;

my $sink = Sink->new('sink');
my $node = server('main', init => { allows_streaming => 1, has_archiving => 1 }, settings => 'hermes.fallback_poll = 200ms');
define_sandbox($node, 'postgres');
define_http($node, 'postgres', $sink->url);
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('http', '{}', 'original-1')});
all_closed($node, 'postgres', 'the original sends');
ok(wait_until(sub { $sink->keys_of('/webhook') == 1 }, 'the report'), 'and reports');
my $fence = $node->safe_psql('postgres', 'SELECT system_identifier, timeline, database, held_since, reason FROM hermes.fence');
my $system = $node->safe_psql('postgres', q{SELECT system_identifier FROM pg_control_system()});
like($fence, qr/^\Q$system\E\|1\|\d+\|\|$/, 'hermes.fence names the system; nothing is held');

# ---- a restart and a crash are no restore
$node->restart;
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('http', '{}', 'original-2')});
all_closed($node, 'postgres', 'requests leave after a restart');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('http', '{}', 'original-3')});
all_closed($node, 'postgres', 'and after a crash');

# ---- recovery to a point in time, with work waiting
$node->backup('base');
$node->append_conf('postgresql.conf', 'hermes.outbound = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('hermes.outbound') = 'off'});
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('http', array_agg('{}'::jsonb), array_agg('waiting-' || n)) FROM generate_series(1, 20) n});
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $walfile = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn() - 1)');
$node->safe_psql('postgres', 'CREATE TABLE later (id int); SELECT pg_switch_wal()');
$node->poll_query_until('postgres', qq{SELECT last_archived_wal >= '$walfile' FROM pg_stat_archiver}) or die 'WAL was not archived';

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', "recovery_target_action = promote\nhermes.outbound = on");
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
workers_are($restored, 'postgres', 1, 1, 'workers run in the restored server');
is($restored->safe_psql('postgres', q{SELECT count(*) FROM hermes.cascades WHERE key LIKE 'waiting-%'}), 20, 'it has the waiting cascades');
held($restored, 'postgres', 'waiting', 20, 'restored server');

# ---- a copy inside the cluster
$node->append_conf('postgresql.conf', 'hermes.outbound = on');
$node->reload;
all_closed($node, 'postgres', 'the original goes on');
$node->append_conf('postgresql.conf', 'hermes.workers = off');
$node->reload;
all_workers_are($node, 1, 'no worker takes what comes next');
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('http', array_agg('{}'::jsonb), array_agg('copied-' || n)) FROM generate_series(1, 20) n});
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$node->append_conf('postgresql.conf', 'hermes.workers = on');
$node->reload;
workers_are($node, $_, 1, 1, "workers run in $_") for qw(postgres copy);
all_closed($node, 'postgres', 'the original goes on');
ok($node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM hermes.task)'), 'and reports');
is($node->safe_psql('postgres', 'SELECT held_since IS NULL FROM hermes.fence'), 't', 'it is not held');
held($node, 'copy', 'copied', 20, 'copy of a database');

unlike(log_since($_, 0), qr/\b(?:PANIC|TRAP):|was terminated by signal/, 'no crash') for $node, $restored;
$_->stop for $node, $restored;
done_testing();

# Nothing moves, whatever is restarted, until it is confirmed.
sub held
{
	my ($server, $database, $prefix, $count, $what) = @_;
	my $sent = $sink->keys_of('/messages');
	my $reported = $sink->keys_of('/webhook');
	ok($server->poll_query_until($database, 'SELECT held_since IS NOT NULL FROM hermes.fence'), "$what: held_since is set");
	like($server->safe_psql($database, 'SELECT reason FROM hermes.fence'), qr/restored/, "$what: with a reason");
	my $hint = qr/LOG: .*workers hold still.*\n.*HINT: .*hermes\.confirm_restore\(\)/;
	ok($server->wait_for_log($hint), "$what: the log has the hint");

	# verbs work and workers run, also after they were replaced, but nothing moves: neither requests nor sandboxes
	$server->safe_psql($database, qq{SELECT hermes.start_cascade('two', '{}', '$prefix-inside')});
	my $offset = -s $server->logfile;
	for my $role (qw(dispatcher supervisor))
	{
		my $pid = worker_pid($server, $role, database => $database);
		$server->safe_psql($database, "SELECT pg_terminate_backend($pid)");
		worker_pid($server, $role, database => $database, other => $pid);
	}
	workers_are($server, $database, 1, 1, "$what: other workers");
	ok($server->wait_for_log($hint, $offset), "$what: these looked at the fence, too");
	is($server->safe_psql($database, 'SELECT count(*) FROM hermes.tasks WHERE claimed'), 0, "$what: no task is claimed");
	is($server->safe_psql($database, qq{SELECT count(*) FROM hermes.cascade_history(
			(SELECT cascade_id FROM hermes.cascades WHERE key = '$prefix-inside')) WHERE event_type LIKE 'Send%' AND event_type <> 'SendScheduled'}),
		0, "$what: sandboxes are held as well");
	is(scalar(() = $sink->keys_of('/messages')), $sent, "$what: no request left");
	is(scalar(() = $sink->keys_of('/webhook')), $reported, "$what: no report left");
	is($server->safe_psql($database, 'SELECT count(*) FROM hermes.deliveries WHERE in_flight'), 0, "$what: reports wait");
	is($server->safe_psql($database, qq{SELECT count(*) FROM hermes.cascades WHERE key LIKE '$prefix-%' AND status = 'RUNNING'}),
		$count + 1, "$what: the cascades wait");

	$server->safe_psql($database, 'SELECT hermes.confirm_restore()');
	ok(wait_until(sub { $sink->keys_of('/messages') == $sent + $count }, 'requests'), "$what: requests leave after hermes.confirm_restore()");
	all_closed($server, $database, "$what: the cascades end");
	ok(wait_until(sub { $sink->keys_of('/webhook') == $reported + $count + 1 }, 'reports'), "$what: reports leave");
	is($server->safe_psql($database, 'SELECT held_since IS NULL AND reason IS NULL FROM hermes.fence'), 't', "$what: nothing is held");
	$offset = -s $server->logfile;
	$server->restart;
	workers_are($server, $database, 1, 1, "$what: workers after a restart");
	$server->safe_psql($database, qq{SELECT hermes.start_cascade('http', '{}', '$prefix-after')});
	all_closed($server, $database, "$what: the confirmation holds");
	unlike(log_since($server, $offset), qr/workers hold still/, "$what: nothing is held any more");
	return;
}
