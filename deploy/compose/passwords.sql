-- What roles.sql leaves open: the roles' passwords, from the environment.
\getenv migrator FLOW_MIGRATOR_PASSWORD
\getenv service FLOW_SERVICE_PASSWORD
ALTER ROLE flow_migrator PASSWORD :'migrator';
ALTER ROLE flow_service PASSWORD :'service';
