"""How much: pricing, holds, limits, receipts and the tree that proves them. Pure.

`price` usage → nanos · `holds` leases and accounts · `periods` what a budget counts over · `limits` GCRA ·
`tree` RFC 6962 · `receipts` text, batch signature, verification · `reports` roll-ups
"""
