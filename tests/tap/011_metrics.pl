# Counters per tenant, channel and provider over the life of a server: what is rolled back or prepared is not counted, what does
# not fit is counted as `other`, a dropped database gives its series back, a standby and a crash begin at zero.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('main', settings => 'hermes.max_metric_series = 16', init => { allows_streaming => 1 });
define_sandbox($node, 'postgres');

sub count
{
	my ($column, $where) = @_;
	return $node->safe_psql('postgres', "SELECT coalesce(sum($column), 0) FROM hermes.delivery_stats WHERE $where");
}
my $queued = q{(states ->> 'queued')::bigint};

# ---- only what is committed
my $start = q{SELECT hermes.start_cascade('slow', '{}', tenant => 't')};
$node->safe_psql('postgres', <<"SQL");
BEGIN; $start; ROLLBACK;
BEGIN; SAVEPOINT a; $start; ROLLBACK TO a; $start; SAVEPOINT b; $start; SAVEPOINT c; $start; RELEASE c; ROLLBACK TO b; $start; RELEASE b; COMMIT;
BEGIN; DO \$\$ BEGIN PERFORM hermes.start_cascade('slow', '{}', tenant => 't'); RAISE EXCEPTION 'no'; EXCEPTION WHEN others THEN NULL; END \$\$; COMMIT;
BEGIN; $start; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p';
SQL
is(count($queued, "tenant = 't'"), 2, 'savepoints, rollbacks and prepared transactions are not counted, committed work is');
$node->safe_psql('postgres', q{DO $$ BEGIN FOR i IN 1 .. 300 LOOP
	BEGIN PERFORM hermes.start_cascade('slow', '{}', tenant => 't'); IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN others THEN NULL; END;
	END LOOP; END $$});
is(count($queued, "tenant = 't'"), 202, 'three hundred subtransactions of one transaction, a third of them rolled back');
ok($node->poll_query_until('postgres', q{SELECT accepted = 203 FROM hermes.delivery_stats WHERE tenant = 't'}),
	'answers are counted, of the prepared one too');

# ---- more tenants than series
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('quick', array_fill('{}'::jsonb, ARRAY[10]), tenant => 'tenant ' || n) FROM generate_series(1, 40) n});
ok($node->poll_query_until('postgres', q{SELECT sum(delivered) = 400 FROM hermes.delivery_stats}), 'everything is counted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.delivery_stats WHERE tenant <> '*'}), 16, 'as many series as there may be');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.delivery_stats WHERE tenant LIKE 'tenant %' AND delivered <> 10}), 0, 'each of them right');
is(count('delivered', "tenant = '*'"), 400 - 10 * (16 - 1), 'the rest is in one');
is($node->safe_psql('postgres', q{SELECT channel IS NULL AND provider IS NULL FROM hermes.delivery_stats WHERE tenant = '*'}), 't', 'of no channel and provider');
cmp_ok($node->safe_psql('postgres', q{SELECT value FROM hermes.stats WHERE name = 'metric_series_folded'}), '>', 0, 'a counter tells of it');
like($node->safe_psql('postgres', 'SELECT hermes.metrics()'),
	qr/^hermes_messages_total\{tenant="\*",channel="\*",provider="\*",result="delivered"\} 250\n.*^hermes_metric_series 16\n.*^hermes_metric_series_limit 16\n.*^# EOF$/ms,
	'and the metrics');

# ---- who sees what
$node->safe_psql('postgres', q{
	CREATE ROLE one IN ROLE hermes_app; CREATE ROLE every IN ROLE hermes_monitor; CREATE ROLE watch IN ROLE hermes_monitor;
	SELECT hermes.grant_tenant('one', 'tenant 1'); SELECT hermes.grant_tenant('every', '*')});
sub seen_by { return $node->safe_psql('postgres', "SET ROLE $_[0]; SELECT count(*), count(*) FILTER (WHERE tenant = '*'), bool_and(tenant = 'tenant 1') FROM hermes.$_[1]") }
is(seen_by('one', $_), '1|0|t', "a tenant sees its own series in $_") for 'delivery_stats', 'delivery_series()';
is(seen_by('every', $_), '17|1|f', "who may see all tenants sees all in $_") for 'delivery_stats', 'delivery_series()';
is(seen_by('watch', $_), '0|0|', "who may see none sees none in $_") for 'delivery_stats', 'delivery_series()';
my $all = $node->safe_psql('postgres', 'SET ROLE every; SELECT hermes.metrics()');
my $none = $node->safe_psql('postgres', 'SET ROLE watch; SELECT hermes.metrics()');
like($all, qr/tenant="tenant 1"/, 'the scraper sees tenants that were granted');
unlike($none, qr/tenant="/, 'and no other');
like($none, qr/^hermes_cascades_started_total \d+$/m, 'but all that is of no tenant');
isnt($node->psql('postgres', 'SET ROLE one; SELECT hermes.metrics()'), 0, 'an application may not scrape');

# ---- another database, dropped again
$node->safe_psql('postgres', 'CREATE DATABASE other');
define_sandbox($node, 'other');
$node->safe_psql('other', q{SELECT hermes.start_cascades('quick', array_fill('{}'::jsonb, ARRAY[10]))});
ok($node->poll_query_until('other', q{SELECT sum(delivered) = 10 FROM hermes.delivery_stats}), 'another database counts for itself');
is($node->safe_psql('other', q{SELECT tenant FROM hermes.delivery_stats}), '*', 'in its own series `other` while all are taken');
$node->safe_psql('postgres', 'DROP DATABASE other');

# ---- a standby answers
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
like($standby->safe_psql('postgres', 'SELECT hermes.metrics()'), qr/^hermes_cascades_started_total 0\n.*^# EOF$/ms, 'metrics on a standby');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM hermes.delivery_stats'), 0, 'which has counted nothing');
$standby->stop;

# ---- a crash
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM hermes.delivery_stats'), 0, 'counters begin anew with the server');
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('quick', '{}', tenant => 'tenant 40')});
ok($node->poll_query_until('postgres', q{SELECT delivered = 1 FROM hermes.delivery_stats WHERE tenant = 'tenant 40'}), 'and a tenant that was folded has a series now');

# ---- a database that is dropped gives its series back
$node->safe_psql('postgres', 'CREATE DATABASE third');
define_sandbox($node, 'third');
$node->safe_psql('third', q{SELECT hermes.start_cascades('quick', array_fill('{}'::jsonb, ARRAY[3]), tenant => 'third ' || n) FROM generate_series(1, 30) n});
ok($node->poll_query_until('third', q{SELECT sum(delivered) = 90 FROM hermes.delivery_stats}), 'a third database takes all that are left');
my $used = q{SELECT (regexp_match(hermes.metrics(), '\nhermes_metric_series (\d+)\n'))[1]};
is($node->safe_psql('postgres', $used), 16, 'all are taken');
$node->safe_psql('postgres', 'DROP DATABASE third');
ok($node->poll_query_until('postgres', "SELECT ($used) = '1'"), 'its series are free once it is dropped');
$node->safe_psql('postgres', q{SELECT hermes.start_cascades('quick', array_fill('{}'::jsonb, ARRAY[3]), tenant => 'late ' || n) FROM generate_series(1, 15) n});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 15 AND sum(delivered) = 45 FROM hermes.delivery_stats WHERE tenant LIKE 'late %'}),
	'and are given out again, from zero');

unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|was terminated by signal/, 'no crash');
$node->stop;
done_testing();
