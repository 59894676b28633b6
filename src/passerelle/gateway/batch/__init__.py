"""Batches: many requests asked in the background, each on the same road as any other.

lines     an input file → its lines, and what is wrong with them
input     the same from disk, a piece at a time                     pace      not before interactive requests
ask       one line on the road, tried again when that may help      outputs   results in each surface's words
run       one batch, from validation to its files                   runner    the batches of one worker
"""
