# Timers: many due times fire late by little; what came due while the server was down fires at once after the start.
use strict;
use warnings;

use Hermes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The longest fallback poll: a timer that fires sooner fires because it was due.
my $node = server('main', settings => 'hermes.fallback_poll = 60s');
define_sandbox($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
SELECT hermes.create_cascade_rule('t' || n, format('{"steps": [{"channel": "mute", "timeout": "%sms"}]}', n * 50)::jsonb)
FROM generate_series(1, 40) n;
SQL
workers_are($node, 'postgres', 1, 1, 'workers run');

# Lateness of timers as their histories tell it: fired against due, in milliseconds.
sub lateness
{
	my ($like) = @_;
	return $node->safe_psql('postgres', <<"SQL");
SELECT count(*), round(coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY late), 0)), round(coalesce(max(late), 0)),
       count(*) FILTER (WHERE late < -1)
FROM (SELECT 1000 * extract(epoch FROM c.closed_at - a.event_time) - 50 * substr(c.rule, 2)::int AS late
      FROM hermes.cascades c JOIN hermes.history a USING (cascade_id)
      WHERE c.key LIKE '$like' AND a.event_type = 'SendCompleted') l
SQL
}

sub exhausted
{
	my ($like, $count, $what) = @_;
	return ok($node->poll_query_until('postgres',
		"SELECT count(*) = $count FROM hermes.cascades WHERE key LIKE '$like' AND outcome = 'EXHAUSTED'"), $what);
}

# ---- one timer in an idle server
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('t20', '{}', 'single-1')});
my $seconds = seconds_of(sub { exhausted('single-%', 1, 'a timer fires in an idle server') });
cmp_ok($seconds, '<', 10, 'long before the fallback poll');

# ---- a sooner timer behind a later one
$node->safe_psql('postgres', q{SELECT hermes.start_cascade('slow', '{}', 'hour'); SELECT hermes.start_cascade('t1', '{}', 'sooner-1')});
exhausted('sooner-%', 1, 'a timer that is due before all others is not missed');

# ---- many, spread over two seconds
$node->safe_psql('postgres', join '', map {
	"SELECT hermes.start_cascades('t$_', array_agg('{}'::jsonb), array_agg('many-$_-' || n)) FROM generate_series(1, 25) n;"
} 1 .. 40);
exhausted('many-%', 1000, 'a thousand timers over two seconds fire');
my ($count, $median, $max, $early) = split /\|/, lateness('many-%');
is($count, 1000, 'each once');
is($early, 0, 'none before its time');
cmp_ok($median, '<', 250, "median lateness $median ms");
cmp_ok($max, '<', 3000, "largest lateness $max ms");
cmp_ok($node->safe_psql('postgres', q{SELECT value FROM hermes.stats WHERE name = 'timers_fired'}), '>=', 1002, 'hermes.stats counts them');

# ---- due while the server was down
for my $mode (qw(fast immediate))
{
	my $ready = "SELECT count(*) = 50 FROM hermes.timers t JOIN hermes.cascades c USING (cascade_id) WHERE key LIKE '$mode-%'";
	$node->safe_psql('postgres', qq{SELECT hermes.create_cascade_rule('$mode', '{"steps": [{"channel": "mute", "timeout": "3s"}]}');
		SELECT hermes.start_cascades('$mode', array_agg('{}'::jsonb), array_agg('$mode-' || n)) FROM generate_series(1, 50) n});
	$node->poll_query_until('postgres', $ready) or die 'no timers';
	my $due = $node->safe_psql('postgres', q{SELECT extract(epoch FROM max(due)) FROM hermes.timers WHERE due < now() + interval '1 minute'});
	$node->stop($mode);
	ok(wait_until(sub { Time::HiRes::time() > $due }, 'the due time'), "$mode shutdown: the timers come due meanwhile");
	$node->start;
	$seconds = seconds_of(sub { exhausted("$mode-%", 50, "$mode shutdown: they fire after the start") });
	cmp_ok($seconds, '<', 15, 'at once');
	one_end_each($node, 'postgres', $mode, 50, 'EXHAUSTED', "$mode shutdown: each once");
}

# ---- a timer set long before a restart keeps its time
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.timers WHERE due BETWEEN now() + interval '50 minutes' AND now() + interval '1 hour'}), 1,
	'a timer that is not due waits over restarts');
is($node->safe_psql('postgres', q{SELECT count(*) FROM hermes.workflow}), 1, 'and nothing else is left');
$node->stop;
done_testing();
