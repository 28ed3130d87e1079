# kill -9 under load: of a dispatcher, the supervisor, the postmaster. Clients connect again and retry by key; afterwards
# every key names one cascade that ended once, and repeated requests carry the key of the first.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Sink;
use Test::More;

use constant kCount => 1500;

my $sink = Sink->new('sink');
my $node = server('main', settings => 'restart_after_crash = on');
define_sandbox($node, 'postgres');
define_http($node, 'postgres', $sink->url);
$node->safe_psql('postgres', <<"SQL");
SELECT hermes.create_provider('hang', '{"kind": "http", "channel": "hang", "timeout": "60s", "concurrency": 20,
    "request": {"url": "@{[ $sink->url ]}/hang"}, "idempotency_header": "Idempotency-Key"}');
SELECT hermes.create_cascade_rule('hang', '{"steps": [{"channel": "hang", "success_on": "accepted", "timeout": "2h"}]}');
SQL
workers_are($node, 'postgres', 1, 1, 'workers run');

# Kills a process while sessions start cascades; they see the server go and come again.
sub under_load
{
	my ($prefix, $kill) = @_;
	my $hang = "$prefix-hang";
	my $hung = $sink->keys_of('/hang');
	$node->safe_psql('postgres', qq{SELECT hermes.start_cascade('hang', '{}', '$hang')});
	ok(wait_until(sub { $sink->keys_of('/hang') > $hung }, 'the request'), "$prefix: a request is under way");

	my %rule = (a => 'two', b => 'http');
	my @loads = map { start_load($node, 'postgres', "$prefix-$_", $rule{$_}, kCount) } sort keys %rule;
	ok(wait_until(sub { 2 == grep { keys %{ load($_) } > 150 } @loads }, 'starts'), "$prefix: load runs");
	$kill->();
	my %known = map { %{ finish_load($_) } } @loads;
	cmp_ok(scalar(keys %known), '<', 2 * kCount, "$prefix: the clients were cut off");

	ok($node->poll_query_until('postgres', 'SELECT true'), "$prefix: the server serves again");
	my %again = map { %{ finish_load($_) } } map { start_load($node, 'postgres', "$prefix-$_", $rule{$_}, kCount) } sort keys %rule;
	is(scalar(keys %again), 2 * kCount, "$prefix: every key has an id after the retry");
	is(scalar(grep { $again{$_} ne $known{$_} } keys %known), 0, "$prefix: acknowledged keys give the same ids");

	ok(wait_until(sub { $sink->keys_of('/hang') > $hung + 1 }, 'the request again'), "$prefix: the claim of the dead incarnation is taken over");
	my @keys = $sink->keys_of('/hang');
	is($keys[-1], $keys[$hung], "$prefix: with the same idempotency key");
	$node->safe_psql('postgres', qq{SELECT hermes.cancel_cascade(cascade_id) FROM hermes.cascades WHERE key = '$hang'});

	all_closed($node, 'postgres', "$prefix: every cascade ends");
	one_end_each($node, 'postgres', "$prefix-$_", kCount, 'DELIVERED', "$prefix: rule $rule{$_}: once") for sort keys %rule;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM hermes.dead_letters'), 0, "$prefix: nothing is given up");
	workers_are($node, 'postgres', 1, 1, "$prefix: one of each is there");
	ok($node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM hermes.task) AND NOT EXISTS (SELECT FROM hermes.timer)'), "$prefix: no task or timer is left");
	return;
}

for my $role (qw(dispatcher supervisor))
{
	under_load($role, sub { kill 'KILL', worker_pid($node, $role) });
}
under_load('postmaster', sub {
	my @children = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	# its children end by themselves; a start before that is refused
	ok(wait_until(sub { !grep { alive($_) } $postmaster, @children }, 'the end of the children'), 'no process outlives the postmaster for long');
	# a dead postmaster that nobody has collected would still block the start
	unlink $node->data_dir . '/postmaster.pid', glob($node->host . '/.s.PGSQL.' . $node->port . '*');
	$node->start;
});

# What the peers saw: every cascade was sent, under one key however often, and reported.
my $sent = $node->safe_psql('postgres', q{SELECT count(*) FROM hermes.cascades WHERE rule = 'http'});
my %keys = map { $_ => 1 } $sink->keys_of('/messages');
is(scalar(keys %keys), $sent, "as many idempotency keys as cascades over HTTP ($sent)");
my %reported = map { (split /-r/)[0] => 1 } $sink->keys_of('/webhook');
my %ids = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT cascade_id FROM hermes.cascades');
is(scalar(grep { !$reported{$_} } keys %ids), 0, 'every outcome was reported');
is(scalar(grep { !$ids{$_} } keys %reported), 0, 'and no other');
my %twice;
$twice{$_}++ for map { (split /-e/)[0] } keys %{ { map { $_ => 1 } $sink->keys_of('/webhook') } };
is(scalar(grep { /-r(?!1$)\d+$/ } keys %twice), 0, 'no cascade was reported with a second outcome');

unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|terminated by signal (?:6|11)/, 'nothing else crashed');
$node->stop;
done_testing();
