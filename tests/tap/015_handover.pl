# Sends and reports that are handed to the dispatcher in the commit that puts them: which are, that their commit waits for the
# disk, what a cancel knows of them, and that each goes out whatever becomes of the dispatcher.
use strict;
use warnings;

use Hermes;
use Sink;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sink = Sink->new('handover');
# nobody else is quick to flush
my $node = server('main', settings => "restart_after_crash = on\nhermes.fallback_poll = 200ms\nhermes.drain_timeout = 100ms\nwal_writer_delay = 10s\nautovacuum = off");
define_sandbox($node, 'postgres');
define_http($node, 'postgres', $sink->url);
workers_are($node, 'postgres', 1, 1, 'workers run');

sub start_of { my ($rule, $key) = @_; return sprintf 'PERFORM hermes.start_cascade(%s);', join ', ', map { "'$_'" } $rule, '{}', $key // (); }

# What a transaction that is rolled back has handed over of all it has put: "3/5".
sub handed
{
	my ($body, $before) = @_;
	my $sql = 'BEGIN; ' . ($before // '') . " DO \$\$ BEGIN $body END \$\$; "
	  . q{SELECT count(t.owner) || '/' || count(*) FROM hermes.task t JOIN hermes.workers w ON w.role = 'dispatcher'
	      WHERE t.xmin = pg_current_xact_id()::xid AND (t.owner = w.incarnation AND t.claims = 1 OR t.owner IS NULL AND t.claims = 0); ROLLBACK};
	return $node->safe_psql('postgres', $sql);
}

sub has_room
{
	my ($rule, $what) = @_;
	return ok(wait_until(sub { handed(start_of($rule)) eq '1/1' }, $what), $what);
}

sub ends_of
{
	my ($key, $what) = @_;
	ok($node->poll_query_until('postgres', qq{SELECT outcome FROM hermes.cascades WHERE key = '$key'}, 'DELIVERED'), $what);
	return is($node->safe_psql('postgres', qq{SELECT max((SELECT count(*) FROM hermes.cascade_history(cascade_id) WHERE event_type = 'SendCompleted')) FROM hermes.cascades WHERE key = '$key'}), 1, "$what: one answer");
}

# ---- what is handed over
$node->safe_psql('postgres', qq{SELECT hermes.start_cascade('$_', '{}', 'first-$_')}) for qw(quick http);
ends_of("first-$_", "the first one of rule $_ is claimed") for qw(quick http);
has_room('quick', 'then the dispatcher has room for the sandbox');
has_room('http', 'and for HTTP');
is(handed(start_of('quick') x 100), '64/100', 'up to 64 of a transaction');
is(handed(start_of('quick') . ' BEGIN ' . start_of('quick') . " RAISE 'x'; EXCEPTION WHEN raise_exception THEN NULL; END; "), '1/1', 'a savepoint rolled back takes its own along');
is(handed(start_of('quick'), 'SET LOCAL synchronous_commit = off;'), '0/1', 'nothing whose commit does not wait for the disk');

$node->safe_psql('postgres', q{SELECT hermes.set_tenant_limits('capped', '{"cost_per_day": 1}')});
is(handed(q{PERFORM hermes.start_cascade('quick', '{}', tenant => 'capped');}), '0/1', 'nothing whose claim pays');
is(handed(q{PERFORM hermes.start_cascade('quick', '{}', tenant => 'other');}), '1/1', 'but what costs nothing');

# ---- the commit waits for the disk, although it was told otherwise after the start
my ($flushed) = $node->safe_psql('postgres', q{BEGIN;
SELECT FROM hermes.start_cascade('http', '{}', 'told-later');
SET LOCAL synchronous_commit = off;
SELECT pg_current_wal_insert_lsn() AS lsn \gset
COMMIT;
SELECT pg_current_wal_flush_lsn() > :'lsn'}) =~ /([tf])$/;
is($flushed, 't', 'what is handed over is on disk');
ends_of('told-later', 'it goes out');

# ---- a cancel knows what cannot have left
$node->safe_psql('postgres', q{SELECT hermes.cancel_cascade(hermes.start_cascade('slow', '{}', 'canceled'))});
is($node->safe_psql('postgres', q{SELECT hermes.cascade_status(cascade_id) ->> 'contacted' FROM hermes.cascades WHERE key = 'canceled'}), 'false', 'canceled where it was started: nobody was contacted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.task}), 0, 'and no send is left');

# ---- reports
my @reported = $sink->keys_of('/webhook');
$node->safe_psql('postgres', qq{SELECT hermes.start_cascade('slow', '{}', 'report-$_')}) for 1, 2;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM hermes.timer}), 'two wait for their receipts');
sub receipt_of { my ($key) = @_; return qq{PERFORM hermes.signal_cascade(cascade_id, 'dlr', '{"status": "delivered", "attempt": 1}') FROM hermes.cascades WHERE key = '$key'; }; }
$node->safe_psql('postgres', 'DO $$ BEGIN ' . receipt_of('report-1') . 'END $$');
ok(wait_until(sub { $sink->keys_of('/webhook') > @reported }, 'report'), 'a report is delivered');
ok(wait_until(sub { handed(receipt_of('report-2')) eq '1/1' }, 'room for reports'), 'the next one is handed over');
$node->safe_psql('postgres', 'DO $$ BEGIN ' . receipt_of('report-2') . 'END $$');
ok(wait_until(sub { $sink->keys_of('/webhook') > @reported + 1 }, 'report'), 'and delivered');

# ---- without room all wait for whoever has some
setting($node, 'hermes.outbound = off');
$node->safe_psql('postgres', qq{SELECT hermes.start_cascade('http', '{}', 'held-$_')}) for 1 .. 5;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 5 AND count(owner) = 0 AND max(claims) = 0 FROM hermes.task}), 'what was handed over is put back');
is(handed(start_of('http')), '0/1', 'and nothing more handed over');
setting($node, 'hermes.outbound = on');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 5 FROM hermes.cascades WHERE key LIKE 'held-%' AND outcome = 'DELIVERED'}), 'they go out when there is room');

# ---- the dispatcher ends, or is gone at the commit
has_room('http', 'room again');
for my $end (qw(ended killed))
{
	my $pid = worker_pid($node, 'dispatcher');
	$node->safe_psql('postgres', "BEGIN; SELECT FROM hermes.start_cascade('http', '{}', '$end'); PREPARE TRANSACTION '$end'");
	$end eq 'killed' ? kill('KILL', $pid) : $node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ok(wait_until(sub { !alive($pid) }, 'the end of the dispatcher'), "the dispatcher is $end");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_prepared_xacts"), 'the server is there');
	$node->safe_psql('postgres', "COMMIT PREPARED '$end'");
	ends_of($end, 'another one sends what the first was handed');
}
has_room('http', 'the new one has room as well');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM hermes.task}), 'nothing is left');

# ---- the receiver ends, another dispatcher takes its place
my $owner_of_next = 'BEGIN; ' . q{DO $$ BEGIN } . start_of('http') . q{ END $$; SELECT owner FROM hermes.task WHERE xmin = pg_current_xact_id()::xid; ROLLBACK};
setting($node, 'hermes.dispatchers = 2');
workers_are($node, 'postgres', 1, 2, 'a second dispatcher');
my $receiver = $node->safe_psql('postgres', $owner_of_next);
my $receiver_pid = $node->safe_psql('postgres', "SELECT pid FROM hermes.workers WHERE incarnation = $receiver");
$node->safe_psql('postgres', "BEGIN; SELECT FROM hermes.start_cascade('http', '{}', 'orphan'); PREPARE TRANSACTION 'orphan'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($receiver_pid)");
ok(wait_until(sub { !alive($receiver_pid) }, 'the end of the receiver'), 'the receiver ends');
$node->safe_psql('postgres', "COMMIT PREPARED 'orphan'");
ends_of('orphan', 'what it was handed is sent');
ok(wait_until(sub { my $next = $node->safe_psql('postgres', $owner_of_next); $next ne '' && $next ne $receiver }, 'a receiver'), 'another dispatcher is the receiver');
setting($node, 'hermes.dispatchers = 1');
workers_are($node, 'postgres', 1, 1, 'one dispatcher again');
has_room('http', 'with room');
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('slow', '{}', 'report-3')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM hermes.timer}), 'one waits for its receipt');
ok(wait_until(sub { handed(receipt_of('report-3')) eq '1/1' }, 'room for reports'), 'room for reports as well');

# ---- a drain puts back what comes after its last claim
my $hang = $sink->url . '/hang';
$node->safe_psql('postgres', qq{SELECT hermes.create_provider('hangs', '{"kind": "http", "channel": "hangs", "timeout": "60s", "request": {"url": "$hang", "body": {}}}');
SELECT hermes.create_cascade_rule('hangs', '{"steps": [{"channel": "hangs", "timeout": "1h"}]}')});
setting($node, 'hermes.drain_timeout = 5s');
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('hangs', '{}', 'hanging')});
ok($node->poll_query_until('postgres', q{SELECT in_flight = 1 FROM hermes.workers WHERE role = 'dispatcher'}), 'a request is under way');
$node->append_conf('postgresql.conf', 'hermes.dispatchers = 0');
my $put_back = $node->safe_psql('postgres', q{BEGIN;
SELECT FROM hermes.start_cascade('http', '{}', 'drained');
DO $$ BEGIN } . receipt_of('report-3') . q{ END $$;
SELECT count(owner) FROM hermes.task WHERE xmin = pg_current_xact_id()::xid;
SELECT FROM pg_reload_conf();
DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM hermes.workers WHERE role = 'dispatcher' AND state = 'draining') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;
COMMIT;});
is($put_back =~ s/\n//gr, '2', 'a send and a report, handed over before the drain, committed in it');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM hermes.tasks t JOIN hermes.cascades c USING (cascade_id) WHERE c.key = 'drained' AND NOT t.claimed AND t.claims = 0}), 'the send is put back');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM hermes.tasks t JOIN hermes.cascades c USING (cascade_id) WHERE c.key = 'report-3' AND t.kind = 'report' AND NOT t.claimed}), 'so is the report');
is($node->safe_psql('postgres', q{SELECT state FROM hermes.workers WHERE role = 'dispatcher'}), 'draining', 'by the one that drains');
setting($node, 'hermes.dispatchers = 1');
ends_of('drained', 'another one sends them');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM hermes.task}), 'but for the one that hangs');
$node->stop('immediate');
done_testing();
