"""Finds what goes wrong in labs, each in one sentence with its remedy; `examination.py` lists the checks.

Every topic has two halves. What `see_...` gives was looked up on this machine and may differ by system; what
`judge_...` makes of it depends on nothing else, so that every finding can be tested on any system. Nothing is changed,
no rights are needed, other machines are asked nothing unless the user wants it, and every look is bounded in time.
"""
