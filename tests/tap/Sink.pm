# A small HTTP peer in a process of its own: provider (/messages), webhook receiver (/webhook), a peer that never answers
# (/hang). It appends one line a request to a file: path and idempotency key (or webhook-id).
package Sink;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Utils;

my @started;

sub new
{
	my ($class, $name) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 256, ReuseAddr => 1)
	  or die "cannot listen: $!";
	my $self = bless {
		url => 'http://127.0.0.1:' . $listener->sockport,
		file => "$PostgreSQL::Test::Utils::tmp_check/$name.requests"
	}, $class;
	unlink $self->{file}; # of another test file
	append_to_file($self->{file}, '');
	$self->{pid} = fork // die "cannot fork: $!";
	if ($self->{pid} == 0)
	{
		serve($listener, $self->{file});
	}
	close $listener;
	push @started, $self;
	return $self;
}

sub url { return $_[0]->{url} }

# Keys of the requests to a path, in order of arrival.
sub keys_of
{
	my ($self, $path) = @_;
	return map { /^\Q$path\E (\S+)/ ? $1 : () } split /\n/, slurp_file($self->{file});
}

sub stop
{
	my ($self) = @_;
	return unless defined $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

# ---------------------------------------------------------------- the child

sub serve
{
	my ($listener, $file) = @_;
	$SIG{TERM} = $SIG{INT} = 'DEFAULT';
	$SIG{PIPE} = 'IGNORE';
	open my $log, '>>', $file or POSIX::_exit(1);
	$log->autoflush(1);
	my $select = IO::Select->new($listener);
	my $parent = getppid;
	my %received;
	while (getppid == $parent)
	{
		for my $socket ($select->can_read(1))
		{
			if ($socket == $listener)
			{
				my $connection = $listener->accept or next;
				$received{$connection} = '';
				$select->add($connection);
				next;
			}
			my $read = sysread $socket, $received{$socket}, 65536, length $received{$socket};
			if (!$read)
			{
				$select->remove($socket);
				delete $received{$socket};
				close $socket;
				next;
			}
			answer($socket, \$received{$socket}, $log);
		}
	}
	POSIX::_exit(0);
}

# Answers the complete requests in the buffer; connections are kept open.
sub answer
{
	my ($socket, $buffer, $log) = @_;
	while ($$buffer =~ /\A(\S+) (\S+) [^\r\n]*\r\n(.*?)\r\n\r\n/s)
	{
		my ($path, $headers, $end) = ($2, $3, $+[0]);
		my $length = $headers =~ /^content-length:\s*(\d+)/mi ? $1 : 0;
		return if length($$buffer) < $end + $length;
		substr $$buffer, 0, $end + $length, '';
		my $key = $headers =~ /^(?:idempotency-key|webhook-id):\s*(\S+)/mi ? $1 : '-';
		print {$log} "$path $key\n";
		next if $path eq '/hang';
		my $body = qq({"id": "m-$key"});
		syswrite $socket, "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: "
		  . length($body) . "\r\n\r\n$body";
	}
	return;
}

END
{
	my $status = $?;
	$_->stop for @started;
	$? = $status;
}

1;
