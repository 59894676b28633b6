"""Replay: recorded traffic decided again, under the same rules or others.

    record   what a receipt says of its request, its decision and what the decision rested on
    rules    what it is decided by now, and what of it differs from what is in force
    reckon   figures of a request at each place: as recorded where they still hold, else computed anew
    decide   one request decided again, by the road's own admission and plan
    tally    many decisions, added up; `money` what they would have cost
    result   the whole as one value
    run      receipts in, result out

Nobody is called, and no prompt is needed: the same receipts and rules give the same result, byte for byte.
No rule is written here: who may serve is `gateway.admit`, in which order `router.plan`, the shape of a
request is the drill's.
"""
