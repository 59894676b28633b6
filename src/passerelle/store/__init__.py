"""What is kept: SQLite or PostgreSQL behind SQLAlchemy Core, a journal in front, one writer per worker."""
