"""How Alembic runs here: inside the transaction and on the connection that `migrate` hands over.

There is no `alembic.ini`: the configuration is made in code, so it works the same from an installed wheel.
"""

from alembic import context

from passerelle.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
