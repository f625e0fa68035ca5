"""The words that an operator meets, each in a sentence or two, along the way of an event. Backticks mark what is typed.

The README and the console show the same.
"""

from __future__ import annotations

__all__ = ["WORDS"]

WORDS: tuple[tuple[str, str], ...] = (
    ("rules file", "What the bridge does: its portals, sources, badges and rules, mostly `rules.yaml`."),
    ("portal", "A Bitrix24 account, by the name that the rules file gives it."),
    ("application", "What the bridge is in a portal that lets it in; its tokens are renewed by themselves."),
    ("provider", "Who sends: a telephony service, a shop, Bitrix24 itself; each signs and writes in its own way."),
    ("source", "An address of the bridge, `/hooks/NAME`, with the provider that sends there and its secrets."),
    ("delivery", "One request from a provider. What cannot be verified is refused, logged, and not stored."),
    ("verified", "How it is known that a delivery is the provider's own, mostly by its signature."),
    ("refused", "Of a delivery: not accepted, with a status and a line in the log. Of a method: not carried out."),
    ("event", "What a delivery told, in one form for all providers: what happened, when, and to whom."),
    ("type", "What kind of event it is, such as `call.missed`; it decides which rules look at it."),
    ("key", "The name of a stored event, such as `reception:47937ddb…`; its beginning will do if no other begins so."),
    ("duplicate", "A delivery of an event that is stored already: answered like the first, and not done again."),
    ("fetched", "Of a call: its event never came, so that it was asked for in the portal's call statistics."),
    ("call", "A telephone call as a whole. Of a portal: one use of a method, such as `crm.activity.badge.add`."),
    ("leg", "A part of a call that a provider tells of alone, such as one telephone that rang. Rules judge the whole."),
    ("somebody of ours", "At the far end of a leg: a telephone of yours; else the customer's line or a machine."),
    ("customer", "Whom the event is about: the caller of a call that came in, the callee of one that went out."),
    ("line", "The number of yours that a call came in on, or went out from."),
    ("subject", "What a source names in place of the customer, such as an order or an account; mostly there is none."),
    ("badge", "The coloured mark on a card: a title, a value and a type. Its code, `bb_…`, is its name in the portal."),
    ("card", "A deal, lead, contact or company of the CRM, as it stands on the kanban."),
    ("activity", "The entry on a card that carries its badge; when it is completed, the badge goes."),
    ("rule", "For which events, and on what condition, which badge is put on which card, and what takes it off."),
    ("judgement", "What the rules say to an event: which matched, and which part of a condition was not true."),
    ("hash", "The fingerprint of a rules file: the same hash, the same rules."),
    ("rules of then", "Those that an event was judged by last; the rules of now are those that `serve` works by."),
    ("store", "Where events are kept: a SQLite file, or Firestore. It is also the queue."),
    ("state", "How far an event is: `waiting`, `working`, `done`, `ignored`, `joined` or `dead`."),
    ("reason", "Why an event is in its state, in words; of a portal, mostly what it answered."),
    ("waiting", "For its turn, for the time of its next attempt, for the rest of its call, or for the end of a pause."),
    ("working", "An attempt is under way."),
    ("done", "At least one rule did what it says, and none is left to do."),
    ("ignored", "No rule acted, and the reason says why: none is for it, no condition is true, nobody is in the CRM."),
    ("joined", "A leg whose call was judged as a whole; the reason names the event that tells what came of it."),
    ("dead", "Given up: not tried again by itself, only when it is redriven. It is called a dead letter, too."),
    ("attempt", "One try at an event. The list counts them as tries."),
    ("failure", "An attempt that brings an event nearer to being dead; waiting for a pause is none."),
    ("lease", "For how long an attempt has an event to itself, at most 90 s; then another may take it up."),
    ("sweep", "The function on Google Cloud that looks once a minute for what is due."),
    (
        "redrive",
        (
            "Try an ended event again, with the rules of now or of then. No badge is put on a card twice; one whose "
            "rule does not match any more is taken off."
        ),
    ),
    ("outcome", "What a rule came to for an event. The field `event.outcome` is another thing: how a call ended."),
    ("ensured", "An outcome: the portal has the badge."),
    ("badged", "An outcome: the badge was put on a card, or was there."),
    ("cleared", "An outcome: the badge was taken off its card."),
    ("failed", "An outcome: the rule could not be carried out, and trying again is of no use."),
    ("lane", "What can be paused by itself: a portal, `main`, or one of its methods, `main/crm.item.list`."),
    ("pause", "A lane rests for a time: it refused, was over its limit or did not answer. Then one event tries it."),
    ("resume", "End a pause by hand, before its time."),
    ("limit", "How many requests a portal takes: at once as many as its bucket holds, then so many a second."),
    ("backlog", "What is waiting or working."),
    ("silent", "A source from which nothing has come for some days."),
    ("different", "Of a badge: the portal has it otherwise than the rules file; `badge-bridge sync` mends such drift."),
    ("retention", "How long events are kept after they ended, before they are forgotten."),
    ("session", "The time for which a browser is let into the console, by a link that is good once."),
    ("twin", "The JSON of a page of the console: the same data for a program."),
)  # fmt: skip
"""Each word with its meaning."""
