"""What a client may trade for tokens: one ``grant_type`` = one file.

Owns what is special to a grant: reading its credential, whose it is, what it stands for, spending it. Does not own
client authentication, the gate, narrowing, issuing and answering: the token endpoint does these for all grants, so none
can forget a step its sibling has.
"""
