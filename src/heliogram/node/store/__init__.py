"""What a node keeps: one encrypted SQLite file a profile. The tables are in `schema.sql`."""
