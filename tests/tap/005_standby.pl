# A streaming standby: no worker there, queries work, verbs that write fail; after the promotion the workers start by
# themselves and cascades go on.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Sink;
use Test::More;

my $sink = Sink->new('sink');
my $primary = server('primary', init => { allows_streaming => 1 });
define_sandbox($primary, 'postgres');
define_http($primary, 'postgres', $sink->url);
workers_are($primary, 'postgres', 1, 1, 'workers run on the primary');
my $closed = $primary->safe_psql('postgres', q{SELECT hermes.start_cascade('two', '{}', 'closed')});
all_closed($primary, 'postgres', 'a cascade ended');

$primary->safe_psql('postgres', q{
	CREATE SCHEMA app; CREATE ROLE standby_app LOGIN IN ROLE hermes_app; GRANT USAGE ON SCHEMA app TO standby_app;
	CREATE FUNCTION app.waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RETURN hermes.wait_signal(''go'', ''1 day''); END';
	SELECT hermes.register_workflow('waits', 'app.waits(jsonb)', '{"run_as": "standby_app"}')});
my $waiting = $primary->safe_psql('postgres', q{SELECT hermes.start_workflow('waits')});
$primary->poll_query_until('postgres', qq{SELECT EXISTS (SELECT FROM hermes.explain_workflow('$waiting') WHERE subject = 'signal "go"')})
  or die 'the workflow function does not wait';

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;

my $open = $primary->safe_psql('postgres', q{SELECT hermes.start_cascade('slow', '{}', 'open')});
$primary->poll_query_until('postgres', qq{SELECT hermes.cascade_status('$open') #>> '{attempts,0,phase}' = 'answered'})
  or die 'the first attempt is not answered';
$primary->wait_for_catchup($standby);

# ---- queries
all_workers_are($standby, 0, 'no process of the extension runs on the standby');
for my $id ($closed, $open)
{
	my $query = qq{SELECT hermes.cascade_status('$id'), (SELECT json_agg(h) FROM hermes.cascade_history('$id') h),
		(SELECT row_to_json(c) FROM hermes.cascades c WHERE cascade_id = '$id')};
	is($standby->safe_psql('postgres', $query), $primary->safe_psql('postgres', $query),
		'status, history and view answer as on the primary');
}
my $explained = qq{SELECT json_agg(e) FROM hermes.explain_workflow('$waiting') e};
is($standby->safe_psql('postgres', $explained), $primary->safe_psql('postgres', $explained), 'an execution is explained as on the primary');
my $views = join ' UNION ALL ', map { "SELECT '$_', count(*) FROM hermes.$_" }
  qw(cascades history tasks timers deliveries dead_letters);
is($standby->safe_psql('postgres', $views), $primary->safe_psql('postgres', $views), 'views show the same');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM hermes.workers'), 0, 'view workers is empty');
is($standby->safe_psql('postgres', q{SELECT count(*) > 5 FROM hermes.stats}), 't', 'view stats');
my ($status, $out, $err) = $standby->psql('postgres', q{SELECT hermes.cascade_status('00000000-0000-7000-8000-000000000000')},
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  WF001/, 'an unknown id is WF001 there, too');

# ---- verbs that write
my %verbs = (
	start_cascade => q{hermes.start_cascade('slow', '{}', 'new')},
	'start_cascade with a known key' => q{hermes.start_cascade('slow', '{}', 'open')},
	start_cascades => q{hermes.start_cascades('slow', ARRAY['{}']::jsonb[])},
	signal_cascade => qq{hermes.signal_cascade('$open', 'dlr', '{"status": "delivered"}')},
	cancel_cascade => qq{hermes.cancel_cascade('$open')},
	terminate_cascade => qq{hermes.terminate_cascade('$open', 'x')},
	apply_receipt => q{hermes.apply_receipt('mute', 'm', '{"status": "delivered"}')},
	create_cascade_rule => q{hermes.create_cascade_rule('new', '{"steps": [{"channel": "sms"}]}')},
	create_provider => q{hermes.create_provider('new', '{"kind": "sandbox", "channel": "sms"}')},
	create_endpoint => q{hermes.create_endpoint(NULL, 'http://127.0.0.1/')},
	set_secret => q{hermes.set_secret('a', 'b')},
	confirm_restore => q{hermes.confirm_restore()},
);
($status, $out, $err) = $standby->psql('postgres', join('', map { "\\warn $_\nSELECT $verbs{$_};\n" } sort keys %verbs),
	on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/^\Q$_\E\n.*ERROR:  25006: /m, "$_ is refused: read-only transaction") for sort keys %verbs;

# ---- what a verb has told of an execution is on the standbys that synchronous_commit asks for
$primary->safe_psql('postgres', q{
	CREATE FUNCTION app.told(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN PERFORM hermes.step('one', 'SELECT 1'); RETURN '"told"'; END$$;
	SELECT hermes.register_workflow('told', 'app.told(jsonb)', '{"run_as": "standby_app"}')});
synchronous(q{'standby'}, 'remote_apply', '500ms');
$primary->poll_query_until('postgres', q{SELECT sync_state = 'sync' FROM pg_stat_replication}) or die 'no synchronous standby';
for my $told (q{hermes.workflow_result('%s', '1 min') = '"told"'}, q{hermes.workflow_status('%s') ->> 'status' = 'Completed'})
{
	my $id = $primary->safe_psql('postgres', q{SELECT hermes.start_workflow('told')});
	$primary->poll_query_until('postgres', 'SELECT ' . sprintf $told, $id) or die 'no end';
	is($standby->safe_psql('postgres', "SELECT status FROM hermes.workflows WHERE execution_id = '$id'"), 'Completed',
		sprintf "the standby knows what was told by $told", 'id');
}

# ---- a send that is handed over leaves when the standbys have it
synchronous(q{'standby'}, 'on', '0');
$primary->poll_query_until('postgres', q{SELECT current_setting('synchronous_commit') = 'on'}) or die 'not reloaded';
$primary->safe_psql('postgres', q{SELECT hermes.start_cascade('http', '{}', 'first')});
ok(wait_until(sub { $primary->safe_psql('postgres', q{BEGIN; SELECT FROM hermes.start_cascade('http', '{}', 'probe');
	SELECT count(owner) FROM hermes.task WHERE xmin = pg_current_xact_id()::xid; ROLLBACK}) =~ /1/ }, 'room'), 'the dispatcher has room');
ok($primary->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM hermes.tasks WHERE kind IN ('send', 'report'))}), 'and nothing to do');
my @before = $sink->keys_of('/messages');
$standby->stop;
my $start = start_load($primary, 'postgres', 'synced', 'http', 1);
ok($primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'}), 'the start waits for the standby');
$primary->safe_psql('postgres', q{SET synchronous_commit = local; SELECT hermes.start_cascade('quick', '{}', 'beside')});
ok($primary->poll_query_until('postgres', q{SELECT count(*) = 0 FROM hermes.tasks t JOIN hermes.cascades c USING (cascade_id) WHERE c.key = 'beside' AND t.kind = 'send' AND t.claims = 0}), 'the dispatcher claims another one');
is(scalar(() = $sink->keys_of('/messages')), @before, 'and has not sent what it was handed');
$standby->start;
is(scalar(keys %{ finish_load($start) }), 1, 'the start returns');
ok($primary->poll_query_until('postgres', q{SELECT outcome = 'DELIVERED' FROM hermes.cascades WHERE key = 'synced-1'}), 'it is sent');
is(scalar(() = $sink->keys_of('/messages')), @before + 1, 'once');
synchronous(q{''}, 'on', '0');

# ---- promotion, with work left by the primary
$primary->append_conf('postgresql.conf', 'hermes.workers = off');
$primary->reload;
all_workers_are($primary, 1, 'the primary stops working');
$primary->safe_psql('postgres', q{SELECT hermes.start_cascades('two', array_agg('{}'::jsonb), array_agg('left-' || n)) FROM generate_series(1, 200) n});
$primary->safe_psql('postgres', q{SELECT hermes.start_cascades('http', array_agg('{}'::jsonb), array_agg('sent-' || n)) FROM generate_series(1, 50) n});
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
workers_are($standby, 'postgres', 1, 1, 'the workers start by themselves after the promotion');
one_key($_) for qw(left sent);
is($standby->safe_psql('postgres', 'SELECT held_since IS NULL AND timeline = 2 FROM hermes.fence'), 't',
	'the restore fence takes a promotion for what it is');
is(scalar(() = $sink->keys_of('/messages')), @before + 1 + 50, 'requests leave the promoted server');
is($standby->safe_psql('postgres', qq{SELECT hermes.signal_cascade('$open', 'dlr', '{"status": "delivered"}')}), 'applied',
	'a receipt for a cascade of the old primary is applied');
is($standby->safe_psql('postgres', q{SELECT hermes.start_cascade('quick', '{}', 'closed')}), $closed, 'keys of the old primary hold');
all_closed($standby, 'postgres', 'nothing stays open');

$standby->restart;
workers_are($standby, 'postgres', 1, 1, 'workers after a restart of the promoted server');
$standby->safe_psql('postgres', q{SELECT hermes.start_cascade('http', '{}', 'sent-51')});
all_closed($standby, 'postgres', 'which is not taken for a restored one');
unlike(log_since($standby, 0), qr/\b(?:PANIC|TRAP):|was terminated by signal|workers hold still/, 'no crash, no fence');
$standby->stop;
done_testing();

# The standby applies a commit so much later.
sub synchronous
{
	my ($standbys, $commit, $delay) = @_;
	$standby->append_conf('postgresql.conf', "recovery_min_apply_delay = $delay");
	$standby->reload;
	$primary->append_conf('postgresql.conf', "synchronous_standby_names = $standbys\nsynchronous_commit = $commit");
	$primary->reload;
	return;
}

sub one_key
{
	my ($prefix) = @_;
	my %count = (left => 200, sent => 50);
	ok($standby->poll_query_until('postgres',
		"SELECT count(*) = $count{$prefix} FROM hermes.cascades WHERE key LIKE '$prefix-%' AND status = 'CLOSED'"),
		"what the old primary left goes on: $prefix");
	one_end_each($standby, 'postgres', $prefix, $count{$prefix}, 'DELIVERED', "$prefix: each once");
	return;
}
