-- Nothing: the number is kept for a file of its own.
SELECT;
