-- Two roles for a ledger on PostgreSQL. An administrator runs this in the ledger's database; it may be run again:
--     psql --set ON_ERROR_STOP=1 --single-transaction --dbname DATABASE --file deploy/postgresql/roles.sql
-- Then each role gets a password: \password scheduler and \password scheduler_reader in psql.
--
-- scheduler         for schedulers, workers and commands that act: owns the schema, and so makes and upgrades the tables
-- scheduler_reader  for Grafana, reports and commands that look: reads every table, also those of later versions

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

-- The schedulers of a ledger wait for each other by advisory locks of this database, which every session may take
-- otherwise, the reader's too: the schedule would stand still for as long as it holds one. Only a superuser may
-- take that right away. Who else needs such locks in this database gets it again below, by a GRANT EXECUTE.
DO $$
DECLARE
    lock record;
    owner name;
BEGIN
    FOR lock IN
        SELECT oid::regprocedure AS signature, proowner FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_(xact_)?lock'
    LOOP
        IF NOT pg_has_role(lock.proowner, 'USAGE') THEN
            RAISE WARNING 'no superuser runs this: who may connect to this database can still stop the schedule';
            RETURN;
        END IF;
        FOR owner IN SELECT 'scheduler' UNION SELECT tableowner FROM pg_tables WHERE tablename = 'scheduler_runs' LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', lock.signature, owner);
        END LOOP;
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock.signature);
    END LOOP;
END
$$;

-- yours: roles and rights of your own go below this line; updates leave them alone
