# Commands that need a database without sessions: the workers make room, the command succeeds, the workers come back.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('main');
my $folder = PostgreSQL::Test::Utils::tempdir();

# Runs a command from database postgres: it succeeds, and soon.
sub command
{
	my ($sql, $what) = @_;
	my ($status, $out, $err);
	my $seconds = seconds_of(sub { ($status, $out, $err) = $node->psql('postgres', $sql) });
	is($status, 0, $what) or diag($err);
	cmp_ok($seconds, '<', 12, "$what: without a hang");
	return;
}

sub database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	define_sandbox($node, $name);
	workers_are($node, $name, 1, 1, "workers in $name");
	return;
}

# Gives the workers of a database something to do that outlasts the next command.
sub occupy
{
	my ($name) = @_;
	$node->safe_psql($name, q{SELECT hermes.start_cascades('two', array_agg('{}'::jsonb)) FROM generate_series(1, 5000)});
	return;
}

# ---- RENAME
database('one');
occupy('one');
command('ALTER DATABASE one RENAME TO uno', 'RENAME under load');
workers_are($node, 'uno', 1, 1, 'the workers come back under the new name');
all_closed($node, 'uno', 'and finish the work');
is($node->safe_psql('uno', q{SELECT count(*) FROM hermes.cascades WHERE outcome = 'DELIVERED'}), 5000, 'nothing is lost');

# ---- SET TABLESPACE
mkdir "$folder/space" or die "mkdir: $!";
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$folder/space'");
occupy('uno');
command('ALTER DATABASE uno SET TABLESPACE space', 'SET TABLESPACE under load');
workers_are($node, 'uno', 1, 1, 'the workers come back');
command('ALTER DATABASE uno CONNECTION LIMIT 50', 'another ALTER DATABASE');
all_closed($node, 'uno', 'and finish the work');

# ---- CREATE DATABASE ... TEMPLATE
$node->safe_psql('uno', q{SELECT hermes.start_cascade('slow', '{}', 'waits')});
occupy('uno');
command('CREATE DATABASE copy TEMPLATE uno', 'CREATE DATABASE TEMPLATE under load');
workers_are($node, $_, 1, 1, "workers in $_") for qw(uno copy);
command('CREATE DATABASE files TEMPLATE uno STRATEGY file_copy', 'the same by copying files');
is($node->safe_psql('copy', q{SELECT count(*) FROM hermes.cascades WHERE key = 'waits'}), 1, 'the copy holds the cascades');
$node->psql('uno', 'CREATE DATABASE own TEMPLATE uno', on_error_die => 1);
pass('CREATE DATABASE TEMPLATE of the database one is in');

# ---- a command that fails leaves the workers
my ($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE uno RENAME TO copy');
isnt($status, 0, 'a RENAME to a name that is taken');
like($err, qr/already exists/, 'fails with the usual error');
workers_are($node, 'uno', 1, 1, 'the workers come back after it');
my $session = $node->background_psql('uno');
$session->query_safe('SELECT 1');
my $seconds = seconds_of(sub { ($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE uno RENAME TO dos') });
like($err, qr/is being accessed by other users/, 'a session of somebody else is still an obstacle');
workers_are($node, 'uno', 1, 1, 'the workers come back after it');

# ---- rights
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN CREATEDB');
my $before = worker_pid($node, 'supervisor', database => 'uno') . ' ' . worker_pid($node, 'dispatcher', database => 'uno');
for my $attempt ('DROP DATABASE uno', 'DROP DATABASE uno WITH (FORCE)', 'ALTER DATABASE uno RENAME TO mine',
	'ALTER DATABASE uno SET TABLESPACE space', 'CREATE DATABASE mine TEMPLATE uno')
{
	($status, $out, $err) = $node->psql('postgres', $attempt, extra_params => [ '-U', 'mallory' ]);
	like($err, qr/must be owner|permission denied/, "without rights: $attempt");
}
is(worker_pid($node, 'supervisor', database => 'uno') . ' ' . worker_pid($node, 'dispatcher', database => 'uno'),
	$before, 'and no worker was stopped by it');
$session->quit;

# ---- the backend of a blocked command is terminated: a lock holds DROP DATABASE back after it stopped the workers
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; COMMENT ON DATABASE uno IS 'busy'});
for my $how (qw(pg_terminate_backend pg_cancel_backend))
{
	my $dropper = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'DROP DATABASE uno' ],
		'<', \undef, '>', \my $dropper_out, '2>', \my $dropper_err);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE query = 'DROP DATABASE uno' AND wait_event_type = 'Lock'}) or die 'DROP DATABASE does not wait';
	workers_are($node, 'uno', 0, 0, 'a waiting DROP DATABASE keeps the workers out');
	$node->safe_psql('postgres', "SELECT $how(pid) FROM pg_stat_activity WHERE query = 'DROP DATABASE uno'");
	$dropper->finish;
	like($dropper_err, qr/terminating connection|canceling statement/, "$how ends it");
	workers_are($node, 'uno', 1, 1, 'the database is not left blocked');
}
$holder->query_safe('ROLLBACK');
$holder->quit;
occupy('uno');
ok($node->poll_query_until('uno', 'SELECT NOT EXISTS (SELECT FROM hermes.task WHERE queue <> 1)'), 'its cascades go on');

# ---- DROP DATABASE
occupy($_) for qw(uno copy);
command('DROP DATABASE uno', 'DROP DATABASE under load');
my $load = start_load($node, 'copy', 'load', 'two', 3000);
ok(wait_until(sub { keys %{ load($load) } > 50 }, 'fifty starts'), 'a session starts cascades');
command('DROP DATABASE copy WITH (FORCE)', 'DROP DATABASE WITH (FORCE) under load');
finish_load($load);
command("DROP DATABASE $_", "DROP DATABASE $_") for qw(files own);
all_workers_are($node, 1, 'their workers are gone');
command('CREATE DATABASE uno', 'the name is free again');
define_sandbox($node, 'uno');
workers_are($node, 'uno', 1, 1, 'and serves again');

unlike(log_since($node, 0), qr/\b(?:PANIC|TRAP):|was terminated by signal/, 'no process crashed');
$node->stop;
done_testing();
