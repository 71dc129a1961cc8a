-- The constraints of 0013 hold for all rows: what was there then had none of these columns, and what has come since was
-- checked. Reading the table for it keeps nobody from reading or writing.
ALTER TABLE users VALIDATE CONSTRAINT users_display_name_valid;
ALTER TABLE users VALIDATE CONSTRAINT users_email_valid;
