"""Ways to prove who the user is: one file each.

Owns checking a person's credential, with the same work and the same answer for every kind of failure. Does not own
sessions, pages, or what the person may do.
"""
