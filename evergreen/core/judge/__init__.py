"""What minutes that two versions shared say of the newer one: a function of settings and minutes, without state.

settings (what is judged by, and what it comes to) · evidence (the minutes) → traffic (as arrays) → rules, by sequential
(the statistic) → judgement. What a rollout makes of it is in `evergreen.core.judging`.
"""
