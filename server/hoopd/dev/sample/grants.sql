-- The gateway's service role reads and changes rows. It owns nothing, so it can neither alter nor drop.

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public, support TO hoop_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, support TO hoop_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, support TO hoop_service;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public, support
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO hoop_service;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public, support GRANT USAGE ON SEQUENCES TO hoop_service;
