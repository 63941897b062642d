"""How clients prove who they are: one family of ``token_endpoint_auth_method`` = one file.

Owns reading and checking a credential. Does not own the choice among methods, the throttling of guesses and the answer
to a failure: those are the gate's, the same for all.
"""
