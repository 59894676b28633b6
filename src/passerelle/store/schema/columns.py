"""What every table is made of: the kinds of column, and the one `metadata` that names their constraints."""

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, Text

INSTALLATION = ""
"""The `org_id` of rows that belong to no tenant."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def words(name: str, *, null: bool = False) -> Column[str]:
    """Words, an id, or JSON."""
    return Column(name, Text, nullable=null)


def number(name: str, *, null: bool = False) -> Column[int]:
    """A figure of up to 64 bits."""
    return Column(name, BigInteger, nullable=null)


def added_number(name: str) -> Column[int]:
    """A figure that rows of an earlier version do not have."""
    return Column(name, BigInteger, nullable=False, server_default="0")


def flag(name: str) -> Column[bool]:
    """Yes or no."""
    return Column(name, Boolean, nullable=False)


def blob(name: str) -> Column[bytes]:
    """Bytes: a digest, a signature, what is sealed."""
    return Column(name, LargeBinary, nullable=False)
