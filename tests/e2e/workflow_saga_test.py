#!/usr/bin/python3
"""Sagas: compensations of durable functions, in reverse order, each exactly once. And languages other than PL/pgSQL, whose
handlers cannot swallow a suspension."""

from __future__ import annotations

from harness import World, check, equal, main, wait_until
from workflows import ROLE, define, effects, ends, events, prepare as prepare_role, signal, start, status, wait_event

DO = "'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', ''{}'')'"
FAIL = "'INSERT INTO app.account VALUES (($1->>''n'')::int, -1)'"  # a CHECK refuses it


def prepare(world: World) -> None:
    """a role runs workflow functions over its business tables"""
    prepare_role(world)
    booking = "".join(f"""
        PERFORM hermes.step('book {what}', {DO.format('book ' + what)}, input);
        PERFORM hermes.add_compensation('cancel {what}', {DO.format('cancel ' + what)}, input);""" for what in ("flight", "hotel"))
    define(world, "trip", f"""
    BEGIN{booking}
        IF input ? 'wait' THEN
            PERFORM hermes.sleep('1 hour');
        END IF;
        PERFORM hermes.step('book car', CASE WHEN input ? 'fail' THEN {FAIL} ELSE {DO.format('book car')} END, input || '{{"n": 1}}');
    EXCEPTION WHEN OTHERS THEN
        answer := to_jsonb(hermes.compensate());
        PERFORM app.mark('compensated ' || answer::text, input->>'run');
        RAISE;
    END;
    RETURN 'true';""")


def reverse_order(world: World) -> None:
    """a saga that fails undoes what was done, the newest first, once; one that succeeds undoes nothing"""
    ends(world, start(world, "trip", {"run": "s1"}))
    equal(effects(world, "s1"), ["book flight", "book hotel", "book car"], "effects")
    execution = start(world, "trip", {"run": "s2", "fail": True})
    found = ends(world, execution, "Failed")
    equal(found["failure"]["sqlstate"], "23514", "failure")
    equal(effects(world, "s2"), ["book flight", "book hotel", "cancel hotel", "cancel flight", "compensated 2"], "effects")
    equal(events(world, execution).count("StepCompleted"), 5, "steps")


def after_a_cancel(world: World) -> None:
    """a cancel is cleaned up by compensations; a second cancel request does not come in between"""
    execution = start(world, "trip", {"run": "c1", "wait": True})
    wait_event(world, execution, "TimerStarted")
    world.sql("SELECT hermes.cancel_workflow(%s)", execution)
    ends(world, execution, "Canceled")
    equal(effects(world, "c1"), ["book flight", "book hotel", "cancel hotel", "cancel flight", "compensated 2"], "effects")
    define(world, "undoes", f"""
    PERFORM hermes.add_compensation('one', {DO.format('one')}, input);
    PERFORM hermes.add_compensation('two', {DO.format('two')}, input);
    PERFORM hermes.compensate();
    PERFORM hermes.sleep('0 s');
    RETURN 'true';""")
    with world.transaction() as session:
        row = session.execute("SELECT hermes.start_workflow('undoes', '{\"run\": \"c2\"}')::text").fetchone()
        assert row is not None
        session.execute("SELECT hermes.cancel_workflow(%s)", row)
        session.commit()
    ends(world, row[0], "Canceled")
    equal(effects(world, "c2"), ["two", "one"], "effects of compensations that began after the request")


def failing_compensation(world: World) -> None:
    """a compensation that fails: the others are run and the failure is raised at the end, or the rest is left to another try"""
    body = f"""
    PERFORM hermes.add_compensation('one', {DO.format('one')}, input);
    PERFORM hermes.add_compensation('bad', {FAIL}, '{{"n": 5}}');
    PERFORM hermes.add_compensation('three', {DO.format('three')}, input);"""
    define(world, "go_on", body + "PERFORM hermes.compensate(); RETURN 'true';")
    found = ends(world, start(world, "go_on", {"run": "f1"}), "Failed")
    equal(effects(world, "f1"), ["three", "one"], "effects")
    equal((found["failure"]["sqlstate"], found["failure"]["hint"]), ("23514", 'Failed: "bad". Run: 3, left: 0.'), "failure")
    check(found["failure"]["message"].startswith('compensation "bad" failed: '), found["failure"]["message"])
    define(world, "stops", body + """
    BEGIN
        PERFORM hermes.compensate('{"on_error": "stop"}');
    EXCEPTION WHEN check_violation THEN
        PERFORM app.mark('asked', input->>'run');
        RETURN to_jsonb(hermes.compensate());
    END;""")
    found = ends(world, start(world, "stops", {"run": "f2"}))
    equal((effects(world, "f2"), found["result"]), (["three", "asked", "one"], 1), "effects, and how many the second try has run")
    define(world, "wrong", "PERFORM hermes.compensate('{\"on_error\": \"never\"}'); RETURN NULL;")
    execution = start(world, "wrong")
    wait_until(lambda: status(world, execution).get("last_failure"), what="the failed turn")
    check("22023" in status(world, execution)["last_failure"], "error")
    world.sql("SELECT hermes.terminate_workflow(%s)", execution)


def exactly_once(world: World) -> None:
    """compensations with waits between them, in executions by the dozen: each is done once"""
    define(world, "long_saga", f"""
    FOR i IN 1..5 LOOP
        PERFORM app.mark('do ' || i, input->>'run');
        PERFORM hermes.add_compensation('undo ' || i, 'INSERT INTO app.effect (run, what) VALUES ($1->>''run'', $1->>''what'')',
                                        jsonb_build_object('run', input->>'run', 'what', 'undo ' || i));
        PERFORM hermes.sleep('5 ms');
    END LOOP;
    PERFORM hermes.compensate();
    RETURN NULL;""")
    runs = {f"e{n}": start(world, "long_saga", {"run": f"e{n}"}) for n in range(30)}
    for run, execution in runs.items():
        ends(world, execution)
        equal(effects(world, run), [f"do {i}" for i in range(1, 6)] + [f"undo {i}" for i in range(5, 0, -1)], f"effects of {run}")


def other_language(world: World, language: str, name: str, swallow: str, plain: str) -> None:
    world.sql(f"CREATE EXTENSION {language}")
    world.sql(f"UPDATE pg_language SET lanpltrusted = true WHERE lanname = '{language}'")  # for the role of the test
    for suffix, body in (("swallows", swallow), ("plain", plain)):
        world.sql(f"CREATE FUNCTION app.{name}_{suffix}(input jsonb) RETURNS jsonb LANGUAGE {language} AS $body${body}$body$")
        world.sql("SELECT hermes.register_workflow(%s, %s, %s::jsonb)", f"{name}_{suffix}", f"app.{name}_{suffix}(jsonb)", f'{{"run_as": "{ROLE}"}}')
    execution = start(world, f"{name}_plain", {"run": f"{name}1"})
    wait_event(world, execution, "SignalAwaited")
    signal(world, execution, "go", "on")
    equal(ends(world, execution)["result"], {"got": "on"}, "result")
    equal(effects(world, f"{name}1"), ["first", "second"], "effects")
    execution = start(world, f"{name}_swallows", {"run": f"{name}2"})
    wait_event(world, execution, "SignalAwaited")
    equal(effects(world, f"{name}2"), ["first"], "effects before the signal: what was caught had no consequence")
    equal(status(world, execution)["failed_turns"], 0, "failed turns")
    signal(world, execution, "go", "on")
    equal(ends(world, execution)["result"], {"got": "on"}, "result")
    equal(effects(world, f"{name}2"), ["first", "second"], "effects")


def python(world: World) -> None:
    """PL/Python: `except Exception` catches the suspension, and cannot go on"""
    steps = """
import json
run = json.dumps({'run': json.loads(input)['run']})
def step(what):
    plan = plpy.prepare("SELECT hermes.step($1, $2, $3::jsonb)", ['text', 'text', 'text'])
    plpy.execute(plan, [what, "INSERT INTO app.effect (run, what) VALUES ($1->>'run', '" + what + "')", run])
def wait():
    return json.loads(plpy.execute("SELECT hermes.wait_signal('go') AS s")[0]['s'])
"""
    other_language(world, "plpython3u", "py", steps + """
step('first')
try:
    got = wait()
except Exception:
    got = 'swallowed'
try:
    step('second')
except BaseException:
    pass
return json.dumps({'got': got})
""", steps + """
step('first')
got = wait()
step('second')
return json.dumps({'got': got})
""")


def perl(world: World) -> None:
    """PL/Perl: `eval` catches the suspension, and cannot go on"""
    steps = """
    my ($run) = $_[0] =~ /"run": *("[^"]*")/;
    my $step = sub {
        my $what = shift;
        my $plan = spi_prepare('SELECT hermes.step($1, $2, $3::jsonb)', 'text', 'text', 'text');
        spi_exec_prepared($plan, $what, "INSERT INTO app.effect (run, what) VALUES (\\$1->>'run', '$what')", "{\\"run\\": $run}");
    };
    my $wait = sub { return spi_exec_query("SELECT hermes.wait_signal('go') AS s")->{rows}[0]{s}; };
"""
    other_language(world, "plperl", "perl", steps + """
    $step->('first');
    my $got = eval { $wait->() };
    $got = '"swallowed"' unless defined $got;
    eval { $step->('second') };
    return "{\\"got\\": $got}";
""", steps + """
    $step->('first');
    my $got = $wait->();
    $step->('second');
    return "{\\"got\\": $got}";
""")


if __name__ == "__main__":
    main(prepare, reverse_order, after_a_cancel, failing_compensation, exactly_once, python, perl)
