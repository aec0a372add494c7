-- Cards have times: what is older than what is known puts nothing back.
ALTER TABLE names ADD COLUMN named INTEGER NOT NULL DEFAULT 0;
ALTER TABLE names ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN linked INTEGER NOT NULL DEFAULT 0;
