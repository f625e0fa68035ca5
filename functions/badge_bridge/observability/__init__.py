"""What an operator sees of the bridge: log lines, and what is never in them.

`logs` sets logging up, `event_line` and `start_line` have the lines that matter, `redaction` keeps secrets and phone
numbers out.
"""
