# Who is woken by a commit knows what it has defined: the wake-up comes behind the invalidations, even where a backend is long
# on its way from the one to the other.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What a wake-up has missed would wait for the fallback poll.
my $node = server('main', settings => 'hermes.fallback_poll = 60s');
define_sandbox($node, 'postgres');
workers_are($node, 'postgres', 1, 1, 'workers run');
$node->safe_psql('postgres', q{CREATE FUNCTION delay_invalidations(ms integer) RETURNS void LANGUAGE c AS 'hermes_cascade_test', 'hc_test_delay_invalidations'});

sub ends_soon
{
	my ($key, $what) = @_;
	my $seconds = seconds_of(sub {
		ok($node->poll_query_until('postgres', qq{SELECT outcome FROM hermes.cascades WHERE key = '$key'}, 'DELIVERED'), $what);
	});
	return cmp_ok($seconds, '<', 5, 'long before the fallback poll');
}

# ---- what a pause has put aside
$node->safe_psql('postgres', q{SELECT hermes.pause_tenant('acme')});
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('quick', '{}', 'paused', 'acme')});
is($node->safe_psql('postgres', q{SELECT put_aside FROM hermes.tasks}), 't', 'a send is put aside');
$node->safe_psql('postgres', q{SELECT delay_invalidations(200), hermes.resume_tenant('acme')});
ends_soon('paused', 'it goes out after the resume');

# ---- providers so new that nobody has sent to them
sub provider
{
	my ($name) = @_;
	return qq{SELECT hermes.create_provider('$name', '{"kind": "sandbox", "channel": "$name"}');
		SELECT hermes.create_cascade_rule('$name', '{"steps": [{"channel": "$name", "timeout": "1h"}]}');};
}

sub start_with
{
	my ($name, $what) = @_;
	$node->safe_psql('postgres', "SELECT hermes.start_cascade('quick', '{}', 'before $name')");
	ends_soon("before $name", 'the dispatcher knows what was defined before');
	$node->safe_psql('postgres', 'BEGIN; ' . provider($name) . " SELECT delay_invalidations(200), hermes.start_cascade('$name', '{}', '$name'); COMMIT");
	return ends_soon($name, $what);
}

start_with('alone', 'defined with the first message to it');
$node->safe_psql('postgres', join ' ', map { provider("other_$_") } 1 .. 60);
start_with('shared', 'likewise, where it shares the bound of its queues with another one');

$node->stop;
done_testing();
