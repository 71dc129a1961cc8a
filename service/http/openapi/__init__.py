"""The API's own document, made from the method table and the schemas: /openapi.json, and /docs for people."""
