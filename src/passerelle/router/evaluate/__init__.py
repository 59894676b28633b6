"""How good the router is on somebody's outcomes: figures, baselines, intervals and protocols.

Pure: random numbers come from a numpy Generator with the given seed, time from the caller. numpy (extra
`router`) is imported by every file here, and by nobody who has not asked for an evaluation.
"""
