# A publication FOR ALL TABLES (wal_level = logical) must not break updates and deletes of the extension's tables: without a
# replica identity PostgreSQL refuses them. Both are exercised in every table that has them.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Sink;
use Test::More;

my $sink = Sink->new('sink');
my $node = server('main', init => { allows_streaming => 'logical' }, settings => 'hermes.fallback_poll = 200ms');
$node->safe_psql('postgres', 'CREATE EXTENSION hermes_cascade');
$node->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
my $published = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_publication_tables WHERE schemaname = 'hermes'});
cmp_ok($published, '>', 5, 'the tables are published');
$node->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('watch', 'test_decoding')});

define_sandbox($node, 'postgres');
define_http($node, 'postgres', $sink->url);
workers_are($node, 'postgres', 1, 1, 'workers run');
$node->safe_psql('postgres', <<'SQL');
SELECT hermes.start_cascades('two', array_agg('{}'::jsonb), array_agg('two-' || n)) FROM generate_series(1, 50) n;
SELECT hermes.start_cascades('http', array_agg('{}'::jsonb), array_agg('http-' || n)) FROM generate_series(1, 20) n;
SELECT hermes.start_cascade('slow', '{}', 'slow-1');
SELECT hermes.apply_receipt('web', 'early', '{"status": "delivered"}');
SQL
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM hermes.workflow}), 'cascades end');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 70 FROM hermes.cascades WHERE reported_at IS NOT NULL}), 'and are reported');
one_end_each($node, 'postgres', $_->[0], $_->[1], 'DELIVERED', "$_->[0]: each once") for [ 'two', 50 ], [ 'http', 20 ];

# updates and deletes that verbs and workers make
my $id = $node->safe_psql('postgres', q{SELECT cascade_id FROM hermes.cascades WHERE key = 'http-1'});
my $open = $node->safe_psql('postgres', q{SELECT cascade_id FROM hermes.cascades WHERE key = 'slow-1'});
for my $statement (
	q{SELECT hermes.alter_cascade_rule('slow', '{"steps": [{"channel": "sms"}]}')},
	q{SELECT hermes.drop_cascade_rule('slow')},
	q{SELECT hermes.alter_provider('mute', '{"kind": "sandbox", "channel": "mute"}')},
	q{SELECT hermes.drop_provider('mute')},
	q{SELECT hermes.alter_endpoint(1, 'http://127.0.0.1:1/')},
	q{SELECT hermes.drop_endpoint(1)},
	q{SELECT hermes.set_secret('a', '1')}, q{SELECT hermes.set_secret('a', '2')}, q{SELECT hermes.drop_secret('a')},
	q{SELECT hermes.grant_tenant('hermes_app', 't')}, q{SELECT hermes.revoke_tenant('hermes_app', 't')},
	qq{SELECT hermes.signal_cascade('$id', 'dlr', '{"status": "failed", "attempt": 1}')},
	qq{SELECT hermes.cancel_cascade('$open')},
	q{SELECT hermes.confirm_restore()})
{
	my ($status, $out, $err) = $node->psql('postgres', $statement);
	is($status, 0, $statement =~ s/.*?hermes\.(\w+).*/$1/r) or diag($err);
}
all_closed($node, 'postgres', 'nothing stays open');

# maintenance: rows that move out of the default partition, retention
$node->safe_psql('postgres', q{
	SELECT hermes.create_day_partition('hermes.closed', date_trunc('day', now(), 'UTC') + interval '5 days');
	SELECT hermes.create_day_partition('hermes.attempt', date_trunc('day', now(), 'UTC') + interval '5 days');
	SELECT hermes.create_day_partition('hermes.closed', date_trunc('day', now(), 'UTC') - interval '90 days');
	SELECT hermes.create_day_partition('hermes.attempt', date_trunc('day', now(), 'UTC') - interval '90 days')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.drop_old_partitions('30 days', '10 days', '7 days')}), 2, 'old partitions are dropped');

# Every published table that has no replica identity takes inserts only; these are the ones.
is($node->safe_psql('postgres', q{
	SELECT string_agg(DISTINCT regexp_replace(c.relname, '_(default|p\d+)$', ''), ', ')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'hermes' AND c.relkind = 'r'
	  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)}), 'attempt, delivery, receipt', 'only attempts and the logs of deliveries and receipts have no primary key: never updated');
# ... but its default partition is emptied into a new one
my ($status, $out, $err) = $node->psql('postgres', q{
	INSERT INTO hermes.attempt VALUES (1, date_trunc('day', now(), 'UTC') + interval '9 days', '00000000-0000-7000-8000-000000000000', 1);
	SELECT hermes.create_day_partition('hermes.attempt', date_trunc('day', now(), 'UTC') + interval '9 days')});
is($status, 0, 'a row of the default partition moves to its own') or diag($err);
($status, $out, $err) = $node->psql('postgres', q{
	INSERT INTO hermes.receipt VALUES (date_trunc('day', now(), 'UTC') + interval '9 days', 1, 1, '{}', 'x');
	SELECT hermes.create_day_partition('hermes.receipt', date_trunc('day', now(), 'UTC') + interval '9 days')});
is($status, 0, 'a logged receipt moves, too') or diag($err);
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_logical_slot_get_changes('watch', NULL, NULL) WHERE data LIKE 'table hermes.%'}),
	'>', 500, 'the changes are decoded');
is($node->safe_psql('postgres', q{SELECT value FROM hermes.stats WHERE name = 'worker_errors'}), 0, 'the workers had no error');
unlike(log_since($node, 0), qr/replica identity|\b(?:PANIC|TRAP):|was terminated by signal/, 'no complaint in the log');
$node->stop;
done_testing();
