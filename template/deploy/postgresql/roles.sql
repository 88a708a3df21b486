-- Two roles for a ledger on PostgreSQL. An administrator runs this in the ledger's database; it may be run again:
--     psql --set ON_ERROR_STOP=1 --single-transaction --dbname DATABASE --file deploy/postgresql/roles.sql
-- Then each role gets a password: \password scheduler and \password scheduler_reader in psql.
--
-- scheduler         for schedulers, workers and commands that act: owns the schema, and so makes and upgrades the tables
-- scheduler_reader  for Grafana, reports and commands that look: reads every table, also those of later versions

-- Functions and operators are those of PostgreSQL alone. In any other schema its owner may have made one that fits better,
-- which would be called here, with the administrator's rights. So lines of your own, below, name tables with their schema.
SET search_path = pg_catalog, pg_temp;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scheduler') THEN
        CREATE ROLE scheduler LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scheduler_reader') THEN
        CREATE ROLE scheduler_reader LOGIN;
    END IF;
END
$$;

-- An administrator who is no superuser may make something for a role only as its member.
GRANT scheduler TO CURRENT_USER;

CREATE SCHEMA IF NOT EXISTS scheduler AUTHORIZATION scheduler;
REVOKE ALL ON SCHEMA scheduler FROM PUBLIC;
GRANT USAGE ON SCHEMA scheduler TO scheduler_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA scheduler TO scheduler_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE scheduler IN SCHEMA scheduler GRANT SELECT ON TABLES TO scheduler_reader;

-- Said here, so that the address needs no options=, which PgBouncer would refuse.
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO scheduler, scheduler_reader', current_database());
    EXECUTE format('ALTER ROLE scheduler IN DATABASE %I SET search_path = scheduler', current_database());
    EXECUTE format('ALTER ROLE scheduler_reader IN DATABASE %I SET search_path = scheduler', current_database());
END
$$;

-- A statement of the reader ends, and changes nothing. A session may set these otherwise; its rights stay the same.
ALTER ROLE scheduler_reader SET default_transaction_read_only = on;
ALTER ROLE scheduler_reader SET statement_timeout = '60s';
ALTER ROLE scheduler_reader SET idle_in_transaction_session_timeout = '60s';
-- And its connections leave room for those of the schedulers.
ALTER ROLE scheduler_reader CONNECTION LIMIT 20;

-- Who has a ledger in this database already, in a schema of its own or as the owner of the database, keeps what the rest of
-- this file takes from others. A table of that name is not enough: whoever may make tables makes one.
DO $$
DECLARE
    found record;
    owners name[] = '{}';
BEGIN
    FOR found IN
        SELECT pg_get_userbyid(runs.relowner) AS owner, schema.nspname,
            (pg_has_role(runs.relowner, schema.nspowner, 'USAGE') OR pg_has_role(runs.relowner, here.datdba, 'USAGE'))
            AND (
                SELECT count(*) FROM pg_class AS other
                WHERE other.relnamespace = schema.oid AND other.relowner = runs.relowner
                    AND other.relname IN ('scheduler_jobs', 'scheduler_ledger_version')
            ) = 2 AS is_ledger
        FROM pg_class AS runs JOIN pg_namespace AS schema ON schema.oid = runs.relnamespace
            JOIN pg_database AS here ON here.datname = current_database()
        WHERE runs.relname = 'scheduler_runs' AND runs.relkind = 'r'
        ORDER BY owner, schema.nspname
    LOOP
        IF found.is_ledger THEN
            owners = owners || found.owner;
            RAISE NOTICE 'the role % has a ledger in the schema %, and may go on with it', found.owner, found.nspname;
        ELSE
            RAISE WARNING 'the role % has a table scheduler_runs in the schema %, and no ledger of its own there: it gets no rights',
                found.owner, found.nspname;
        END IF;
    END LOOP;
    PERFORM set_config('scheduler.owners', owners::text, false);
END
$$;

-- Nobody else connects to this database, and nobody makes temporary tables in it: one transaction with many of them
-- takes all places in the lock table of the server, without which no scheduler goes on. Who else works in this database
-- gets these rights again below: GRANT CONNECT, TEMPORARY ON DATABASE ... TO ... Only its owner or a superuser may say so.
DO $$
DECLARE
    owner name;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND pg_has_role(datdba, 'USAGE')) THEN
        RAISE WARNING 'this is not run by the owner of the database: others may still connect to it and stop the schedule';
        RETURN;
    END IF;
    FOR owner IN SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = 'scheduler_runs' LOOP
        -- An earlier version of this file gave it to whoever has such a table.
        EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I', current_database(), owner);
    END LOOP;
    FOREACH owner IN ARRAY current_setting('scheduler.owners')::name[] || 'scheduler'::name LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), owner);
    END LOOP;
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

-- PostgreSQL 13 and 14 let everybody make tables in the schema public; later ones have it so only in databases that are
-- as old.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND pg_has_role(nspowner, 'USAGE')) THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    ELSIF EXISTS (
        SELECT FROM pg_namespace, aclexplode(nspacl) AS given
        WHERE nspname = 'public' AND given.grantee = 0 AND given.privilege_type = 'CREATE'
    ) THEN
        RAISE WARNING 'no superuser runs this: who may connect to this database can still make tables in the schema public';
    END IF;
END
$$;

-- The schedulers of a ledger wait for each other by advisory locks of this database, which every session may take
-- otherwise, the reader's too: the schedule would stand still for as long as it holds one. Each large object that a
-- session makes takes a place in the lock table as well. Only a superuser may take these rights away. Who else needs
-- such locks or objects in this database gets them again below, by a GRANT EXECUTE.
DO $$
DECLARE
    taken record;
    owner name;
BEGIN
    FOR taken IN
        SELECT oid::regprocedure AS signature, proowner FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
            AND proname ~ '^(pg_(try_)?advisory_(xact_)?lock.*|lo_.*|loread|lowrite)$'
    LOOP
        IF NOT pg_has_role(taken.proowner, 'USAGE') THEN
            RAISE WARNING 'no superuser runs this: who may connect to this database can still stop the schedule';
            RETURN;
        END IF;
        FOR owner IN SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = 'scheduler_runs' LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', taken.signature, owner);
        END LOOP;
        FOREACH owner IN ARRAY current_setting('scheduler.owners')::name[] || 'scheduler'::name LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', taken.signature, owner);
        END LOOP;
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', taken.signature);
    END LOOP;
END
$$;

-- yours: roles and rights of your own go below this line; updates leave them alone
