-- Group roles (cluster-wide, kept by DROP EXTENSION) and types.

DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = 'hermes_cascade needs a database with encoding UTF8',
            DETAIL = pg_catalog.format('This database has encoding %s.', pg_catalog.getdatabaseencoding()),
            HINT = 'Create one with CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['hermes_admin', 'hermes_app', 'hermes_worker', 'hermes_monitor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) role_name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA hermes FROM PUBLIC;

CREATE TYPE hermes.signal_result AS ENUM
    ('applied', 'duplicate', 'stale', 'corrected', 'conflict', 'buffered', 'parked', 'unmatched', 'ignored', 'closed');
COMMENT ON TYPE hermes.signal_result IS
'What became of a signal or receipt: applied (it changed the state), duplicate (seen before), stale (older or lower ranked than what is known), corrected (it turned a final result around), conflict (contradicts a delivery that cannot be revoked), buffered (kept until its attempt is known), parked (not understood, kept for an operator), unmatched (names no attempt of the cascade), ignored (a signal this cascade has no use for), closed (the cascade has ended).';
