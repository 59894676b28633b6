"""An evaluation in a terminal."""

from passerelle.cli import look
from passerelle.cli.router.evaluation import Evaluation
from passerelle.cli.router.words import judged, summary, tables, took


def tell(found: Evaluation) -> None:
    """What was found, the headline first."""
    look.say(look.strong(summary(found)))
    look.labelled("Data", judged(found))
    for table in tables(found):
        look.say()
        look.say(look.strong(table.title))
        look.table(table.headings, table.rows, right=table.headings[1:])
        if table.note:
            look.say(look.faint(table.note))
    look.say()
    if found.decision is not None:
        look.labelled("Decision", took(found.decision))
