# Life cycle of the workers: they are where the extension is, follow CREATE and DROP EXTENSION, and obey the settings.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Without the library preloaded the extension can be created; the first verb says what is missing.
my $bare = PostgreSQL::Test::Cluster->new('bare');
$bare->init;
$bare->start;
my ($status, $out, $err) = $bare->psql('postgres', 'CREATE EXTENSION hermes_cascade');
is($status, 0, 'CREATE EXTENSION succeeds without shared_preload_libraries') or diag($err);
($status, $out, $err) = $bare->psql('postgres',
	q{SELECT hermes.create_provider('sms', '{"kind": "sandbox", "channel": "sms"}');
	  SELECT hermes.create_cascade_rule('quick', '{"steps": [{"channel": "sms"}]}');
	  SELECT hermes.start_cascade('quick', '{}')});
is($status, 0, 'verbs work without shared_preload_libraries') or diag($err);
like($err, qr/WARNING:.*\n(?:.*\n)*?HINT:.*shared_preload_libraries/, 'the first verb warns with a HINT');
is(scalar(() = $err =~ /WARNING/g), 1, 'the session is warned once');
is($bare->safe_psql('postgres', q{SELECT status FROM hermes.cascades}), 'RUNNING', 'the cascade waits');
is($bare->safe_psql('postgres', q{SELECT count(*) FROM hermes.workers}), 0, 'the view of workers is empty');

# Its work is not lost: once the library is preloaded the workers find it.
$bare->append_conf('postgresql.conf', "shared_preload_libraries = 'hermes_cascade'");
$bare->restart;
all_closed($bare, 'postgres', 'a cascade started without workers ends once they run');
$bare->stop;

# The longest fallback poll: what comes sooner came by a wake-up.
my $node = server('main', settings => 'hermes.fallback_poll = 60s');
all_workers_are($node, 1, 'a server without the extension runs the launcher only');
$node->safe_psql('postgres', "CREATE DATABASE one; ");
$node->safe_psql('postgres', "CREATE DATABASE two; ");

# ---- CREATE and DROP EXTENSION
my $seconds = seconds_of(sub {
	define_sandbox($node, 'one');
	workers_are($node, 'one', 1, 1, 'CREATE EXTENSION starts supervisor and dispatcher');
});
cmp_ok($seconds, '<', 20, 'without waiting for the fallback poll');
workers_are($node, 'two', 0, 0, 'the database without the extension has no worker');
is($node->safe_psql('one', q{SELECT string_agg(role || ' ' || state, ', ' ORDER BY role) FROM hermes.workers}),
	'dispatcher running, supervisor running', 'hermes.workers shows them');
$node->safe_psql('one', q{SELECT hermes.start_cascade('quick', '{}', 'one-1')});
all_closed($node, 'one', 'a cascade runs');

($status, $out, $err) = $node->psql('one', 'BEGIN; DROP EXTENSION hermes_cascade; ROLLBACK');
is($status, 0, 'a DROP EXTENSION that is rolled back') or diag($err);
$node->safe_psql('one', q{SELECT hermes.start_cascade('quick', '{}', 'one-2')});
all_closed($node, 'one', 'cascades go on after it');

$seconds = seconds_of(sub { $node->safe_psql('one', 'DROP EXTENSION hermes_cascade CASCADE') });
cmp_ok($seconds, '<', 5, 'DROP EXTENSION is not blocked by the workers');
all_workers_are($node, 1, 'DROP EXTENSION stops the workers of the database');
$node->safe_psql('one', 'CREATE TABLE other (id int); DROP TABLE other; VACUUM FULL pg_class');
pass('nothing is left that blocks the database');

define_sandbox($node, 'one');
workers_are($node, 'one', 1, 1, 'the workers start again after the extension was created again');
$node->safe_psql('one', q{SELECT hermes.start_cascade('quick', '{}', 'one-1')});
all_closed($node, 'one', 'cascades run in the new extension');

# dropped and created in one transaction
$node->safe_psql('one', 'BEGIN; DROP EXTENSION hermes_cascade CASCADE; CREATE EXTENSION hermes_cascade; COMMIT');
define_sandbox($node, 'one');
$node->safe_psql('one', q{SELECT hermes.start_cascade('quick', '{}', 'one-1')});
all_closed($node, 'one', 'cascades run after drop and create in one transaction');

# DROP EXTENSION under load, with work in hand
my $load = start_load($node, 'one', 'load', 'two', 2000);
ok(wait_until(sub { keys %{ load($load) } > 50 }, 'fifty starts'), 'load runs');
# Against a client in the middle of a verb, any DROP may be the victim of the deadlock detector: then it is repeated.
my ($status, $errors) = (3, 'deadlock detected');
$seconds = seconds_of(
	sub {
		for (my $try = 0; $try < 10 && $status != 0 && $errors =~ /deadlock detected/; $try++)
		{
			$status = $node->psql('one', 'DROP EXTENSION hermes_cascade CASCADE', stderr => \$errors);
		}
	});
is($status, 0, "DROP EXTENSION under load succeeds");
cmp_ok($seconds, '<', 15, 'DROP EXTENSION under load is not blocked');
finish_load($load);
all_workers_are($node, 1, 'and stops the workers');

# ---- two databases at once
define_sandbox($node, $_) for qw(one two);
workers_are($node, $_, 1, 1, "database $_ has its workers") for qw(one two);
$node->safe_psql($_, q{SELECT hermes.start_cascades('two', array_agg('{}'::jsonb)) FROM generate_series(1, 50)}) for qw(one two);
all_closed($node, $_, "cascades run in database $_") for qw(one two);
is($node->safe_psql($_, q{SELECT count(*) FROM hermes.cascades WHERE outcome = 'DELIVERED'}), 50, "each ends in $_") for qw(one two);
is($node->safe_psql('one', 'SELECT count(*) FROM hermes.workers'), 2, 'hermes.workers shows those of its own database');

# ---- hermes.databases
$node->append_conf('postgresql.conf', "hermes.databases = 'two, postgres'");
$node->reload;
workers_are($node, 'one', 0, 0, 'a database that is no longer listed loses its workers');
workers_are($node, 'two', 1, 1, 'a listed one keeps them');
$node->append_conf('postgresql.conf', "hermes.databases = ''");
$node->reload;
workers_are($node, 'one', 1, 1, 'the workers come back with the list empty');

# ---- hermes.workers
$node->append_conf('postgresql.conf', 'hermes.workers = off');
$node->reload;
all_workers_are($node, 1, 'hermes.workers = off stops all but the launcher');
$node->safe_psql('one', q{SELECT hermes.start_cascade('quick', '{}', 'off-1')});
is($node->safe_psql('one', 'SELECT count(*) FROM hermes.workflow'), 1, 'verbs work without workers');
$node->append_conf('postgresql.conf', 'hermes.workers = on');
$node->reload;
workers_are($node, $_, 1, 1, "on starts those of $_ again") for qw(one two);
all_closed($node, 'one', 'what was started meanwhile runs');

# ---- hermes.dispatchers
for my $count (3, 0, 1)
{
	$node->append_conf('postgresql.conf', "hermes.dispatchers = $count");
	$node->reload;
	workers_are($node, 'one', 1, $count, "hermes.dispatchers = $count by reload");
	next if $count == 0;
	$node->safe_psql('one', q{SELECT hermes.start_cascades('quick', array_agg('{}'::jsonb)) FROM generate_series(1, 50)});
	all_closed($node, 'one', "cascades run with $count");
}

# ---- a server start finds the extension by itself
$node->restart;
workers_are($node, $_, 1, 1, "a restarted server starts the workers of $_") for qw(one two);
all_workers_are($node, 5, 'and no others');

my $log = log_since($node, 0);
unlike($log, qr/\b(?:PANIC|TRAP):|was terminated by signal/, 'no process crashed');
$node->stop;
done_testing();
