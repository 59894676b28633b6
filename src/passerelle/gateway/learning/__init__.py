"""Learning from outcomes: a fold over each organisation's outcomes, in their order, on all workers.

fold      the fold itself: learner, and what is told of it; to bytes and back
kinds     which learner there is here, with numpy or without
learned   the `Judgement` of a worker: follows the organisations that ask it
signals   what answers tell without anybody: their form, and that they were asked for again
judging   a receipt and what is said of it, as an outcome
"""
