# Roles that come, change and go under their executors: no SQL runs as a role that may not, cascades go on, and nothing
# is started in a hot loop.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('main', settings => "hermes.fallback_poll = 60s\nhermes.executor_idle_timeout = 1h");
$node->safe_psql('postgres', 'CREATE ROLE runner LOGIN; CREATE ROLE other LOGIN;');
define_conditions($node, 'postgres');

my $count = 0;

# Starts a cascade with a condition; tells its verdict once it has ended.
sub ask
{
	my ($tenant) = @_;
	my $key = 'ask-' . ++$count;
	start($node, 'postgres', 'asks', 'yes', $key, $tenant);
	$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM hermes.workflow)') or return 'still open';
	return verdict($node, 'postgres', $key);
}

is(ask(), 'yes|', 'the role of the rule runs a condition');

# ---- which role: the tenant's, else the rule's, else the one for all
sub as_whom
{
	my ($rule, $tenant) = @_;
	my $key = 'whom-' . ++$count;
	start($node, 'postgres', $rule, 'x', $key, $tenant);
	$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM hermes.workflow)') or return 'still open';
	my $verdict = verdict($node, 'postgres', $key);
	return $verdict eq 'failed|no executor role' ? 'nobody' : $verdict;
}
$node->safe_psql('postgres', q{
SELECT hermes.create_cascade_rule('as_other', '{"steps": [{"channel": "sms", "condition": "session_user = ''other''"}]}');
SELECT hermes.create_cascade_rule('as_runner', '{"run_as": "runner", "steps": [{"channel": "sms", "condition": "session_user = ''runner''"}]}')});
is(as_whom('as_other'), 'nobody', 'without any role the condition fails');
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role('*', 'other')});
is(as_whom('as_other'), 'yes|', 'the role for all runs it');
is(as_whom('as_other', 'acme'), 'yes|', 'for tenants, too');
is(as_whom('as_runner', 'acme'), 'yes|', 'but the role of the rule comes first');
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role('acme', 'other')});
is(as_whom('as_runner', 'acme'), 'no|', q{and the tenant's before both});
is(as_whom('as_runner'), 'yes|', 'which is not that of cascades without a tenant');
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role(NULL, 'other'), hermes.set_tenant_role('acme', NULL)});
is(as_whom('as_runner'), 'no|', 'they can have their own');
is(as_whom('as_runner', 'acme'), 'yes|', 'NULL takes it away');
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role(NULL, NULL), hermes.set_tenant_role('*', NULL)});
is(as_whom('as_other'), 'nobody', 'from all of them');

# ---- waiting tasks follow a change of the role
setting($node, 'hermes.workers = off');
all_workers_are($node, 1, 'without workers');
start($node, 'postgres', 'as_other', 'x', 'follows', 'acme');
start($node, 'postgres', 'as_runner', 'x', 'follows too', 'acme');
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role('acme', 'other')});
setting($node, 'hermes.workers = on');
all_closed($node, 'postgres', 'cascades that waited for another role end');
is(verdict($node, 'postgres', 'follows'), 'yes|', 'as the role they have by now: from none');
is(verdict($node, 'postgres', 'follows too'), 'no|', 'and from another one');
$node->safe_psql('postgres', q{SELECT hermes.set_tenant_role('acme', NULL)});

# ---- rights that come later
for my $change (['SUPERUSER', 'is a superuser'], ['BYPASSRLS', 'bypasses row-level security'], ['REPLICATION', 'may replicate'],
	['CREATEROLE', 'may create roles'])
{
	my ($right, $reason) = @$change;
	is(ask(), 'yes|', "before $right");
	my $executor = worker_pid($node, 'executor', user => 'runner');
	$node->safe_psql('postgres', "ALTER ROLE runner $right");
	is(ask(), qq{failed|role "runner" $reason}, "a role with $right runs nothing");
	ok(wait_until(sub { !alive($executor) }, 'its end'), 'its executor ends');
	$node->safe_psql('postgres', "ALTER ROLE runner NO$right");
}
for my $group (qw(hermes_admin pg_execute_server_program postgres))
{
	$node->safe_psql('postgres', "GRANT $group TO runner");
	is(ask(), qq{failed|role "runner" has the rights of role "$group"}, "a member of $group runs nothing");
	$node->safe_psql('postgres', "REVOKE $group FROM runner");
}
$node->safe_psql('postgres', 'CREATE ROLE between; GRANT between TO runner; GRANT hermes_admin TO between');
is(ask(), q{failed|role "runner" has the rights of role "hermes_admin"}, 'nor does an indirect one');
$node->safe_psql('postgres', 'DROP ROLE between');
is(ask(), 'yes|', 'without them it runs SQL again');

# ---- roles that cannot connect
if ($node->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int < 170000}) eq 't')
{
	$node->safe_psql('postgres', 'ALTER ROLE runner NOLOGIN');
	is(ask(), q{failed|role "runner" may not log in}, 'a role without LOGIN runs nothing');
	$node->safe_psql('postgres', 'ALTER ROLE runner LOGIN');
}
$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO other');
is(ask(), q{failed|role "runner" may not connect to this database}, 'nor does one without CONNECT');
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
is(ask(), 'yes|', 'with both it does');

# ---- the role is dropped, and comes back as another one
my $executor = worker_pid($node, 'executor', user => 'runner');
$node->safe_psql('postgres', 'DROP ROLE runner');
is(ask(), q{failed|role "runner" does not exist}, 'a dropped role runs nothing');
ok(wait_until(sub { !alive($executor) }, 'its end'), 'its executor ends');
$node->safe_psql('postgres', 'CREATE ROLE runner LOGIN');
is(ask(), 'yes|', 'a new one of the name does');

# ---- dropped while a condition runs: that one is still answered, by whom it may be
start($node, 'postgres', 'once', 'dropped', 'dropped');
running($node, 'postgres', 'a condition runs');
$node->safe_psql('postgres', 'DROP ROLE runner; INSERT INTO done DEFAULT VALUES');
all_closed($node, 'postgres', 'the role is dropped meanwhile: the cascade ends');
like(verdict($node, 'postgres', 'dropped'), qr/^(?:yes\||failed\|)/, 'with some verdict');
executors_are($node, 'postgres', qr/^(?:other)?$/, 'and its executor');

# ---- an executor that cannot start: back-off, an answer after half a minute, and all well again
$node->safe_psql('postgres', 'CREATE ROLE runner LOGIN; CREATE DATABASE one');
define_conditions($node, 'one');
workers_are($node, 'one', 1, 1, 'workers in another database');
setting($node, 'hermes.max_executors = 0');
start($node, 'one', 'asks', 'yes', 'refused');
$node->safe_psql('postgres', 'ALTER DATABASE one ALLOW_CONNECTIONS false');
my $offset = -s $node->logfile;
my $tries = sub { scalar(() = log_since($node, $offset) =~ /is not currently accepting connections/g) };
setting($node, 'hermes.max_executors = 4');
ok(wait_until(sub { $tries->() >= 3 }, 'three tries'), 'an executor that cannot start is tried again');
cmp_ok($tries->(), '<=', 4, 'not at once');
ok(wait_until(sub { $tries->() >= 6 }, 'six tries'), 'and again, for half a minute');
$node->safe_psql('postgres', 'ALTER DATABASE one ALLOW_CONNECTIONS true');
all_closed($node, 'one', 'its cascade does not wait for ever');
is(verdict($node, 'one', 'refused'), 'failed|executor cannot start', 'the condition failed');
ok(wait_until(sub {
	my $key = 'again-' . ++$count;
	start($node, 'one', 'asks', 'yes', $key);
	$node->poll_query_until('one', 'SELECT NOT EXISTS (SELECT FROM hermes.workflow)');
	return verdict($node, 'one', $key) eq 'yes|';
}, 'a condition that is evaluated', 60), 'once it can start, it runs after the back-off');
is($tries->(), 6, 'there were no other tries');
executors_are($node, 'one', 'runner', 'the executor is there');

unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|terminated by signal (?:6|11)/, 'no process crashed');
$node->stop;
done_testing();
