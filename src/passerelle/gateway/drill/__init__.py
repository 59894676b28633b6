"""The drill: what would still be served without a supplier, by whom, at what cost, and who has nobody left.

    shapes    recorded receipts as requests that can be judged again, without their words
    judge     one shape, asked with the supplier and without, by the road's own admission and plan
    tally     many judgements, added up by tenant, place, supplier and law
    report    the whole as one value: inputs and their digest, method, findings, what they answer
    proof     its signature, in JSON and at the end of a page
    markdown, html   the report for people
    live      what a real removal did, out of receipts

No rule is written here: who may serve is `gateway.admit`, in which order `router.plan`, and the supplier is
taken out by `policy.removal`, on paper as in earnest.
"""
