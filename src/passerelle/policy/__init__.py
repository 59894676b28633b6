"""Who may, and what may go where: rules compiled to predicates, and the eligible set. Pure."""
