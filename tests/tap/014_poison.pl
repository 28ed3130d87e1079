# A send whose answer crashes the server whenever it is recorded. Its claims are counted although no byte leaves for it, all but
# one before the first crash, so that it ends as a dead letter, and the others go on.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# nobody else is quick to flush
my $node = server('main', settings => "restart_after_crash = on\nhermes.max_claims = 3\nhermes.turn_flush_delay = 1s\nwal_writer_delay = 10s");
define_sandbox($node, 'postgres');
workers_are($node, 'postgres', 1, 1, 'workers run');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'kill -KILL ' || pg_backend_pid());
    RETURN NULL;
END $$;
CREATE TRIGGER crash AFTER INSERT ON hermes.attempt FOR EACH ROW EXECUTE FUNCTION crash();
SQL
my $from = -s $node->logfile;
$node->safe_psql('postgres', q{SET synchronous_commit = off; SELECT hermes.start_cascade('slow', '{}', 'poison')}); # not handed over: it is claimed
ok($node->poll_query_until('postgres', q{SELECT error FROM hermes.dead_letters}, 'claimed too often without an answer'), 'it ends as a dead letter');
my $crashes = () = slurp_file($node->logfile, $from) =~ /was terminated by signal 9/g;
ok($crashes == 3 || $crashes == 4, "after as many crashes as it may be claimed, and perhaps the first one: $crashes");

$node->safe_psql('postgres', 'DROP TRIGGER crash ON hermes.attempt');
is($node->safe_psql('postgres', q{SELECT status FROM hermes.cascades WHERE key = 'poison'}), 'RUNNING', 'its cascade waits, as after an ambiguous answer');
$node->safe_psql('postgres', q{SELECT hermes.cancel_cascade(cascade_id) FROM hermes.cascades WHERE key = 'poison'});
start($node, 'postgres', 'quick', 'other-1');
all_closed($node, 'postgres', 'all cascades end');
one_end_each($node, 'postgres', 'other', 1, 'DELIVERED', 'another one is delivered');
workers_are($node, 'postgres', 1, 1, 'workers run again');
$node->stop;
done_testing();
