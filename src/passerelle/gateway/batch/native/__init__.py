"""Batches handed over to a provider's own batch service, at its price.

decide   whether one can go, and where      carry    its steps there, one look at a time
parcel   the input on its way               collect  the results as they come
ended    a provider's result → a line's result, its receipt and its ledger row
"""
