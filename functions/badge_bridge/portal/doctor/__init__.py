"""Looking at one portal from outside in: can it be reached, is it one, who are we there, may we do what the rules ask?

    check         what a look comes to, and the order of looks
    network       names, connections, certificates: the network as a port
    reaching      the way to the portal
    rights        what the credential is good for
    events        what the portal sends
    lost_calls    what it could not send, and keeps
    content       what the rules file names and the portal must have

Nothing here changes the portal: the one call that would is to delete a badge that does not exist (`rights`).
"""

from badge_bridge.portal.doctor.check import Check, Status
from badge_bridge.portal.doctor.examining import Needs, Subject, examine, lanes_of, methods_of
from badge_bridge.portal.doctor.network import Network, RealNetwork

__all__ = ["Check", "Needs", "Network", "RealNetwork", "Status", "Subject", "examine", "lanes_of", "methods_of"]
