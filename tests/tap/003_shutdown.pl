# Shutdown under load, and workers that end or fail: they come back, slower after repeated errors, without a log flood.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Sink;
use Test::More;

my $sink = Sink->new('sink');
my $node = server('main', settings => 'hermes.drain_timeout = 1s');
define_sandbox($node, 'postgres');
define_http($node, 'postgres', $sink->url);
workers_are($node, 'postgres', 1, 1, 'workers run');

# ---- a worker that is terminated comes back; its work goes on
my $load = start_load($node, 'postgres', 'ended', 'two', 1000);
for my $role (qw(dispatcher supervisor launcher dispatcher))
{
	my $dispatcher = worker_pid($node, 'dispatcher');
	my $pid = worker_pid($node, $role);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	my $seconds = seconds_of(sub {
		ok(eval { worker_pid($node, $role, other => $pid) }, "a terminated $role comes back");
	});
	cmp_ok($seconds, '<', 15, 'soon');
	is(worker_pid($node, 'dispatcher'), $dispatcher, 'which took nobody with it') if $role eq 'launcher';
}
workers_are($node, 'postgres', 1, 1, 'one of each is there');
all_workers_are($node, 3, 'and no more');
is(scalar(keys %{ finish_load($load) }), 1000, 'the clients noticed nothing');
all_closed($node, 'postgres', 'every cascade ends');
one_end_each($node, 'postgres', 'ended', 1000, 'DELIVERED', 'once');

# ---- repeated errors: back-off, one log entry a try, recovery
my $offset = -s $node->logfile;
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'task refused by a test'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON hermes.task FOR EACH STATEMENT EXECUTE FUNCTION refuse();
SELECT hermes.start_cascades('two', array_agg('{"of": "refused"}'::jsonb), array_agg('refused-' || n))
FROM generate_series(1, 100) n;
SQL
ok($node->poll_query_until('postgres', q{SELECT sum(errors) >= 3 FROM hermes.workers}), 'errors are counted');
my $errors = () = log_since($node, $offset) =~ /task refused by a test/g;
cmp_ok($errors, '<=', 8, "back-off: few log entries ($errors)");
ok($errors >= 3, 'but each is told');
unlike(log_since($node, $offset), qr/worker stopped|exited with exit code/, 'the workers live on');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON hermes.task');
all_closed($node, 'postgres', 'they recover by themselves once the cause is gone');
one_end_each($node, 'postgres', 'refused', 100, 'DELIVERED', 'every cascade ends once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM hermes.dead_letters'), 0, 'none is given up for it');

# ---- fast shutdown under load, with requests under way that are never answered
$node->safe_psql('postgres', <<"SQL");
SELECT hermes.create_provider('hang', '{"kind": "http", "channel": "hang", "timeout": "60s", "concurrency": 20,
    "request": {"url": "@{[ $sink->url ]}/hang"}, "idempotency_header": "Idempotency-Key"}');
SELECT hermes.create_cascade_rule('hang', '{"steps": [{"channel": "hang", "success_on": "accepted", "timeout": "2h"}]}');
SELECT hermes.start_cascades('hang', array_agg('{}'::jsonb)) FROM generate_series(1, 10);
SQL
ok(wait_until(sub { $sink->keys_of('/hang') == 10 }, 'ten requests'), 'requests hang');
my @loads = map { start_load($node, 'postgres', "stop$_", $_ == 1 ? 'http' : 'two', 5000) } 1 .. 2;
ok(wait_until(sub { 2 == grep { keys %{ load($_) } > 100 } @loads }, 'starts of both'), 'load runs');
my $seconds = seconds_of(sub { $node->stop('fast') });
cmp_ok($seconds, '<', 8, sprintf 'fast shutdown under load (%.1f s)', $seconds);
my %known = map { %{ finish_load($_) } } @loads;

# ---- after it: nothing lost, and requests that were cut off are repeated with the same key
$node->start;
ok(wait_until(sub { $sink->keys_of('/hang') >= 20 }, 'ten requests again'), 'the requests cut off are sent again');
my %keys = map { $_ => 1 } $sink->keys_of('/hang');
is(scalar(keys %keys), 10, 'under their old keys');
$node->safe_psql('postgres', q{SELECT count(hermes.cancel_cascade(cascade_id)) FROM hermes.cascades
	WHERE rule = 'hang' AND status = 'RUNNING'});
all_closed($node, 'postgres', 'every cascade ends');
my $ids = $node->safe_psql('postgres', q{SELECT string_agg(key || ' ' || cascade_id, E'\n') FROM hermes.cascades
	WHERE key LIKE 'stop%' AND outcome = 'DELIVERED'});
my %ended = $ids =~ /^(\S+) (\S+)$/mg;
is(scalar(grep { ($ended{$_} // '') ne $known{$_} } keys %known), 0,
	'every acknowledged start ended (' . scalar(keys %known) . ')');

# ---- immediate shutdown under load
my $hit = start_load($node, 'postgres', 'immediate', 'two', 5000);
ok(wait_until(sub { keys %{ load($hit) } > 100 }, 'starts'), 'load runs');
$seconds = seconds_of(sub { $node->stop('immediate') });
cmp_ok($seconds, '<', 8, 'immediate shutdown');
my $acknowledged = finish_load($hit);
$node->start;
workers_are($node, 'postgres', 1, 1, 'the workers start after it');
all_closed($node, 'postgres', 'every cascade ends');
my %after = $node->safe_psql('postgres', q{SELECT string_agg(key || ' ' || cascade_id, E'\n') FROM hermes.cascades
	WHERE key LIKE 'immediate-%' AND outcome = 'DELIVERED'}) =~ /^(\S+) (\S+)$/mg;
is(scalar(grep { ($after{$_} // '') ne $acknowledged->{$_} } keys %$acknowledged), 0, 'none that was acknowledged is missing');

# ---- an idle server stops at once
$seconds = seconds_of(sub { $node->stop('fast') });
cmp_ok($seconds, '<', 4, 'an idle server stops at once');
unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|was terminated by signal/, 'no process crashed');
done_testing();
