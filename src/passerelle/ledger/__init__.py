"""How much: pricing, holds, limits, receipts and the tree that proves them. Pure."""
