"""The .proto file, generated of the method table, its numbers, and what protoc makes of it (`make proto`)."""
