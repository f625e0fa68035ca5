"""Events in Google's Firestore, shared by any number of processes.

An event is taken in over plain REST (`inbox.py`), so that the first delivery to a new process does not wait for the
official client to be imported, which takes as long as everything else together; all else is done by that client. Both
write the same documents (`documents.py`), and one set of rules says how they change (`store/transitions.py`).

    events/{id}         one event with the history of its attempts, or what is left of one (`forgetting.py`); id is the
                        SHA-256 of its key
    events/{id}/parts   what is too long for one document
    calls/{id}          of each call that has legs, how many, and which of them waits for all
    lanes/{id}          what is or was paused, as long as events wait for it
    attachments/{id}    the ledger
    notes, holds, buckets

Ids are hashes, and the index entries of an event begin with one of eight shards: Firestore splits by ranges, and keys
or times that only grow would send every write to the last one (Firestore docs, "Best practices", hotspots: 500 writes
a second for an index on a value that grows).
"""

from badge_bridge.store.firestore.store import FirestoreStore

__all__ = ["FirestoreStore"]
