"""What is generated of the method table: the .proto file, its numbers, and what protoc makes of it (`make proto`)."""
