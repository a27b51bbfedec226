"""The contract on a relational database: SQLite here, PostgreSQL with the same statements."""
