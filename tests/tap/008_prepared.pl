# Two-phase commit: what a prepared transaction started runs after COMMIT PREPARED, within the fallback poll.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('main', settings => 'hermes.fallback_poll = 200ms');
define_sandbox($node, 'postgres');
workers_are($node, 'postgres', 1, 1, 'workers run');

sub prepare
{
	my ($name, $sql) = @_;
	$node->safe_psql('postgres', "BEGIN; $sql; PREPARE TRANSACTION '$name'");
	return;
}

sub ends
{
	my ($key, $what) = @_;
	my $query = qq{SELECT outcome FROM hermes.cascades WHERE key = '$key'};
	my $seconds = seconds_of(sub { ok($node->poll_query_until('postgres', $query, 'DELIVERED'), $what) });
	cmp_ok($seconds, '<', 10, "$what: in time");
	one_end_each($node, 'postgres', $key =~ s/-.*//r, 1, 'DELIVERED', "$what: once");
	return;
}

# ---- COMMIT PREPARED
prepare('p1', q{SELECT hermes.start_cascade('quick', '{}', 'committed-')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.cascades}), 0, 'nothing is seen of a prepared start');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p1'});
ends('committed-', 'a prepared start runs after COMMIT PREPARED');

# ---- with a restart and a crash in between
prepare('p2', q{SELECT hermes.start_cascade('two', '{}', 'restarted-')});
$node->restart;
workers_are($node, 'postgres', 1, 1, 'workers after the restart');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.workflow}), 0, 'the prepared start survives, unseen');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p2'});
ends('restarted-', 'a start prepared before a restart');
prepare('p3', q{SELECT hermes.start_cascade('two', '{}', 'crashed-')});
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', q{COMMIT PREPARED 'p3'});
ends('crashed-', 'a start prepared before a crash');

# ---- ROLLBACK PREPARED
prepare('p4', q{SELECT hermes.start_cascade('quick', '{}', 'rolled-back')});
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'p4'});
is($node->safe_psql('postgres', $_), 0, 'ROLLBACK PREPARED leaves nothing') for
  'SELECT count(*) FROM hermes.workflow', 'SELECT count(*) FROM hermes.task', 'SELECT count(*) FROM hermes.timer',
  q{SELECT count(*) FROM hermes.cascades WHERE key = 'rolled-back'}, 'SELECT count(*) FROM pg_prepared_xacts';
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('quick', '{}', 'rolled-back')});
ends('rolled-back', 'its key is free');

# ---- the key of a prepared start: a second start waits for its end
prepare('p5', q{SELECT hermes.start_cascade('quick', '{}', 'contended-')});
my ($status, $out, $err) = $node->psql('postgres',
	q{SET lock_timeout = '100ms'; SELECT hermes.start_cascade('quick', '{}', 'contended-')});
like($err, qr/lock timeout/, 'a second start of its key waits, honouring lock_timeout');
my $second = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{SELECT hermes.start_cascade('quick', '{}', 'contended-')} ],
	'<', \undef, '>', \my $second_out, '2>', \my $second_err);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%contended-%' AND pid <> pg_backend_pid()})
  or die 'the second start does not wait';
$node->safe_psql('postgres', q{COMMIT PREPARED 'p5'});
$second->finish;
like($second_out, qr/^[0-9a-f-]{36}$/, 'and returns');
ends('contended-', 'both are one cascade');

# ---- signal and cancel
my $waiting = $node->safe_psql('postgres', q{SELECT hermes.start_cascade('slow', '{}', 'signaled-')});
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM hermes.timers') or die 'no receipt is waited for';
prepare('p6', qq{SELECT hermes.signal_cascade('$waiting', 'dlr', '{"status": "delivered"}')});
is($node->safe_psql('postgres', qq{SELECT hermes.cascade_status('$waiting') ->> 'status'}), 'RUNNING', 'a prepared receipt is not seen');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p6'});
ends('signaled-', 'a prepared receipt counts after COMMIT PREPARED');

# ---- workers hold up nothing while a transaction is prepared; it holds up none of them
$waiting = $node->safe_psql('postgres', q{SELECT hermes.start_cascade('slow', '{}', 'held-')});
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM hermes.timers') or die 'no receipt is waited for';
prepare('p7', qq{SELECT hermes.cancel_cascade('$waiting')});
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('two', '{}', 'beside-')});
ends('beside-', 'other cascades go on beside a prepared cancel');
my $seconds = seconds_of(sub { $node->restart });
cmp_ok($seconds, '<', 20, 'a prepared transaction does not hold up a restart');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p7'});
is($node->safe_psql('postgres', qq{SELECT hermes.cascade_status('$waiting') ->> 'outcome'}), 'CANCELED', 'the cancel counts');
all_closed($node, 'postgres', 'nothing stays open');
$node->stop;
done_testing();
