# pg_dump and pg_restore: into a new cluster, and into another database of the same cluster. Everything is there again, the
# restored copy sends nothing before it is confirmed, then the waiting cascades go on.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Sink;
use Test::More;

my $sink = Sink->new('sink');
my $node = server('main', settings => 'hermes.receipt_log_retention = 7d');
$node->safe_psql('postgres', 'CREATE DATABASE app');
define_sandbox($node, 'app');
define_http($node, 'app', $sink->url);
$node->safe_psql('app', <<'SQL');
SELECT hermes.set_secret('token', 'very secret');
CREATE ROLE tenant_a LOGIN IN ROLE hermes_app;
SELECT hermes.grant_tenant('tenant_a', 'a');
SELECT hermes.alter_cascade_rule('slow', '{"steps": [{"channel": "mute", "timeout": "2h"}]}');
SELECT hermes.create_provider('gone', '{"kind": "sandbox", "channel": "sms"}');
SELECT hermes.drop_provider('gone');
INSERT INTO hermes.connector (name, document) VALUES ('own', '{"receipts": {"payload": ["json"], "fields": {"correlation_id": ["$.mid"], "status": ["$.st"]}}}');
INSERT INTO hermes.connector_status (connector, status, state) VALUES ('own', 'fine', 'delivered'), ('twilio', 'sent', 'delivered');
INSERT INTO hermes.connector_error (connector, code, failure_kind) VALUES ('own', '7*', 'hard');
SELECT hermes.create_provider('own', '{"kind": "sandbox", "channel": "own", "connector": "own"}');
SELECT hermes.start_cascades('two', array_agg('{"to": "x"}'::jsonb), array_agg('closed-' || n), 'a') FROM generate_series(1, 100) n;
SELECT hermes.start_cascades('slow', array_agg('{"to": "y", "n": 1.50}'::jsonb), array_agg('open-' || n)) FROM generate_series(1, 20) n;
SELECT hermes.apply_receipt('mute', 'early-1', '{"status": "delivered"}');
SELECT hermes.receive_receipts('own', '{"mid": "early-2", "st": "fine"}', '{"X-From": "own"}');
SELECT hermes.suppress_many('a', 'sms', ARRAY['+4915112345678', 'x'], 'news', 'opt_out'), hermes.suppress('*', 'email', 'Ann@Example.com');
SELECT hermes.create_provider('priced', '{"kind": "sandbox", "channel": "priced", "cost": {"per_message": 0.05}}'), hermes.set_tenant_limits('a', '{"cost_per_day": 10}');
SELECT hermes.create_cascade_rule('capped', '{"steps": [{"channel": "priced"}], "category": "news", "frequency": {"max": 1, "per": "90d"}}');
SELECT hermes.start_cascade('capped', '{"to": "z"}', 'closed-capped-' || n, 'a') FROM generate_series(1, 2) n;
CREATE TABLE orders (id int PRIMARY KEY, cascade uuid);
INSERT INTO orders SELECT 1, hermes.start_cascade('quick', '{}', 'order-1');
SQL
ok($node->poll_query_until('app', q{SELECT count(*) = 103 FROM hermes.cascades WHERE status = 'CLOSED'}), 'cascades ended');
ok($node->poll_query_until('app', q{SELECT count(*) = 20 FROM hermes.timers}), 'cascades wait for their receipt');
$node->append_conf('postgresql.conf', 'hermes.outbound = off');
$node->reload;
$node->poll_query_until('app', q{SELECT current_setting('hermes.outbound') = 'off'});
$node->safe_psql('app', q{SELECT hermes.start_cascades('http', array_agg('{}'::jsonb), array_agg('http-' || n)) FROM generate_series(1, 10) n});
my $known = $node->safe_psql('app', q{SELECT key || ' ' || cascade_id FROM hermes.cascades WHERE key IS NOT NULL ORDER BY key});

# What a restored database must equal, table by table; partitions as the rows of their parent.
my @tables = qw(rule_version provider endpoint secret tenant_access workflow task closed execution_key attempt receipt_inbox dead_letter
	receipt suppression recipient_contact spend tenant_limit connector connector_status connector_error);

sub contents
{
	my ($server, $database) = @_;
	my %contents = map { $_ => $server->safe_psql($database, "SELECT t FROM hermes.$_ t ORDER BY t::text COLLATE \"C\"") } @tables;
	$contents{sequences} = $server->safe_psql($database, q{SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'hermes' ORDER BY sequencename});
	$contents{partitions} = $server->safe_psql($database, q{SELECT inhparent::regclass, inhrelid::regclass::text AS name, pg_get_expr(relpartbound, c.oid)
		FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent::regclass::text LIKE 'hermes.%' AND relkind = 'r' ORDER BY name});
	$contents{indexes} = $server->safe_psql($database, q{SELECT indexdef FROM pg_indexes WHERE schemaname = 'hermes' ORDER BY indexdef});
	$contents{operators} = $server->safe_psql($database, q{SELECT document FROM hermes.connector WHERE NOT shipped UNION ALL
		SELECT to_jsonb(s) FROM hermes.connector_status s WHERE NOT shipped UNION ALL SELECT to_jsonb(e) FROM hermes.connector_error e WHERE NOT shipped
		ORDER BY 1});
	$contents{orders} = $server->safe_psql($database, 'SELECT * FROM orders');
	return \%contents;
}

sub same
{
	my ($server, $database, $expected, $what) = @_;
	my $found = contents($server, $database);
	is($found->{$_}, $expected->{$_}, "$what: $_") for sort keys %$expected;
	return;
}

my $dump = "$PostgreSQL::Test::Utils::tmp_check/app.dump";
$node->append_conf('postgresql.conf', 'hermes.workers = off');
$node->reload;
all_workers_are($node, 1, 'nothing moves while the dump is compared');
my $expected = contents($node, 'app');
cmp_ok(length $expected->{$_}, '>', 0, "there is something to dump in $_")
  for qw(workflow task closed execution_key attempt receipt_inbox receipt secret tenant_access endpoint partitions operators suppression recipient_contact spend);
command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('app'), '-f', $dump ], 'pg_dump');
command_ok([ 'pg_dump', '--schema-only', '-d', $node->connstr('app'), '-f', "$dump.sql" ], 'pg_dump --schema-only');
unlike(slurp_file("$dump.sql"), qr/very secret/, 'the schema holds no data');

# ---- into a new cluster, workers off for the time of the restore
my $other = server('other', settings => 'hermes.workers = off');
$other->safe_psql('postgres', 'CREATE DATABASE app');
$other->safe_psql('postgres', 'CREATE ROLE tenant_a LOGIN');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('app'), $dump ], 'pg_restore into another cluster');
same($other, 'app', $expected, 'another cluster');
$other->append_conf('postgresql.conf', 'hermes.workers = on');
$other->reload;
workers_are($other, 'app', 1, 1, 'its workers run');
ok($other->poll_query_until('app', 'SELECT held_since IS NOT NULL FROM hermes.fence'), 'the restored copy is held');
is($other->safe_psql('app', q{SELECT key || ' ' || cascade_id FROM hermes.cascades WHERE key IS NOT NULL ORDER BY key}), $known, 'the views show the same');
my ($first) = $known =~ /^closed-1 (\S+)$/m;
is($other->safe_psql('app', q{SELECT hermes.start_cascade('two', '{"to": "x"}', 'closed-1', 'a')}), $first, 'keys hold');
is($other->safe_psql('app', qq{SELECT count(*) FROM hermes.cascade_history('$first')}),
	$node->safe_psql('app', qq{SELECT count(*) FROM hermes.cascade_history('$first')}), 'histories are readable');
is(scalar(() = $sink->keys_of('/messages')), 0, 'no request left');
is($other->safe_psql('app', q{SELECT state FROM hermes.parse_receipts('own', '{"mid": "1", "st": "fine"}') UNION ALL
	SELECT state FROM hermes.parse_receipts('twilio', 'MessageSid=SM1&MessageStatus=sent')}), "delivered\ndelivered", 'connectors of operators are in force');
is($other->safe_psql('app', q{SELECT hermes.is_suppressed('a', 'sms', '+49 151 12345678', 'news'), hermes.is_suppressed('b', 'email', 'ann@example.com')}), 't|t', 'the suppression list holds');

# ---- confirmed
$other->safe_psql('app', 'SELECT hermes.confirm_restore()');
$other->safe_psql('app', q{SELECT hermes.start_cascade('capped', '{"to": "z"}', 'capped-restored', 'a')});
ok($other->poll_query_until('app', q{SELECT outcome = 'EXHAUSTED' FROM hermes.cascades WHERE key = 'capped-restored'}), 'frequencies go on counting');
ok($other->poll_query_until('app', q{SELECT count(*) = 10 FROM hermes.cascades WHERE key LIKE 'http-%' AND outcome = 'DELIVERED'}),
	'the waiting cascades go on after hermes.confirm_restore()');
is(scalar(() = $sink->keys_of('/messages')), 10, 'each sent once');
is($other->safe_psql('app', q{SELECT DISTINCT hermes.signal_cascade(cascade_id, 'dlr', '{"status": "delivered"}') FROM hermes.cascades WHERE key LIKE 'open-%'}),
	'applied', 'receipts for waiting cascades are applied');
all_closed($other, 'app', 'every cascade ends');
$other->safe_psql('app', q{SELECT hermes.create_provider('next', '{"kind": "sandbox", "channel": "sms"}')});
pass('sequences go on');

# ---- schema only
$other->safe_psql('postgres', 'CREATE DATABASE empty');
command_ok([ 'psql', '-Xqo', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', $other->connstr('empty'), '-f', "$dump.sql" ], 'a schema-only dump restores');
workers_are($other, 'empty', 1, 1, 'workers run there');
define_sandbox($other, 'empty');
$other->safe_psql('empty', q{SELECT hermes.start_cascade('two', '{}')});
all_closed($other, 'empty', 'it works as a new database');

# ---- a logical copy inside the cluster, workers running
$node->append_conf('postgresql.conf', "hermes.workers = on\nhermes.outbound = on");
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'pg_restore under another name');
workers_are($node, 'copy', 1, 1, 'workers run in the copy');
ok($node->poll_query_until('copy', 'SELECT held_since IS NOT NULL FROM hermes.fence'), 'the copy is held');
same($node, 'copy', $expected, 'copy');
ok($node->poll_query_until('app', q{SELECT count(*) = 10 FROM hermes.cascades WHERE key LIKE 'http-%' AND outcome = 'DELIVERED'}), 'the original goes on');
is(scalar(() = $sink->keys_of('/messages')), 20, 'the copy sent nothing');

unlike(log_since($_, 0), qr/\b(?:PANIC|TRAP):|was terminated by signal/, 'no crash') for $node, $other;
$_->stop for $node, $other;
done_testing();
