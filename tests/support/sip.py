"""Real SIP calls on loopback: Kamailio, configured as the README says, between two programs of sipp.

The carrier is at 127.0.0.1, our own telephones at 127.0.0.2, so that Kamailio can tell who calls whom.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.programs import Program, program
from support.readme_templates import halves

__all__ = ["CARRIER", "OFFICE", "Exchange", "kamailio"]

CARRIER, OFFICE = "127.0.0.1", "127.0.0.2"
BRIDGE = "https://bridge.example.com"

_BASICS = """
listen=udp:{carrier}:{port}
children=2
fork_delay=0
# Of 5.6, a child that is told to end while it holds the lock of its heap hangs: the main process ends it by force.
exit_timeout=5
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
modparam("tm", "fr_inv_timer", 1500)
"""
_ROUTING = """
request_route {{
    $du = "sip:{office}:{phone}";
    if (is_method("CANCEL") && !t_check_trans()) exit;
    {of_the_readme}
    t_relay();
}}
"""

_INVITE = """
<send retrans="500"><![CDATA[
INVITE sip:{callee}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: {caller};tag=[call_number]
To: <sip:{callee}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="100" optional="true"/>
"""
_FURTHER = """
<send{retrans}><![CDATA[
{method} sip:{callee}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch{branch}]
From: {caller};tag=[call_number]
To: <sip:{callee}@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {number} {method}
Max-Forwards: 70
Content-Length: 0

]]></send>
"""
_ANSWER = """
<send{retrans}><![CDATA[
SIP/2.0 {status} Said
[last_Via:]
[last_From:]
[last_To:];tag=phone[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:phone@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
"""
_ANSWER_WITH_TAG = _ANSWER.replace(";tag=phone[call_number]", "")
_RINGING = '<recv response="180"/>'


@dataclass(frozen=True, slots=True)
class Exchange:
    """A running Kamailio; `phone` is the port at which it rings."""

    running: Program
    port: int
    phone: int
    folder: Path
    sipp: str

    def call(self, how: str, *, caller: str, callee: str, at: str = CARRIER) -> None:
        """One call from its INVITE to its last message; both ends check each step of it.

        `how`: `answered`, `cancelled`, `unanswered` (nobody picks up and Kamailio's timer ends it), or the status with
        which the telephone refuses. `caller` is the address as in `From`.
        """
        scenarios = {"phone": _phone(how), "caller": _caller(how, caller, callee)}
        files = {name: self.folder / f"{name}.xml" for name in scenarios}
        for name, steps in scenarios.items():
            files[name].write_text(f'<?xml version="1.0"?><scenario name="{name}">{steps}</scenario>', "utf-8")
        options = ("-m", "1", "-nostdin", "-timeout", "20s", "-timeout_error")
        phone = [self.sipp, "-sf", str(files["phone"]), "-i", OFFICE, "-p", str(self.phone), *options]
        ours = ["-i", at, "-p", str(free_udp_port(at)), *options, f"{CARRIER}:{self.port}"]
        with (
            program(phone, cwd=self.folder) as ringing,
            program([self.sipp, "-sf", str(files["caller"]), *ours], cwd=self.folder) as calling,
        ):
            for one in (calling, ringing):
                assert one.process.wait(30) == 0, one.drain() + self.running.output


def _phone(how: str) -> str:
    """What the telephone does, in sipp's words."""
    begun = '<recv request="INVITE"/>'
    if how == "answered":
        return "".join(
            (
                begun,
                _ANSWER.format(status=180, retrans=""),
                _ANSWER.format(status=200, retrans=' retrans="500"'),
                '<recv request="ACK"/><recv request="BYE"/>',
                _ANSWER_WITH_TAG.format(status=200, retrans=""),
            )
        )
    if how in ("cancelled", "unanswered"):
        return "".join(
            (
                begun,
                _ANSWER.format(status=180, retrans=""),
                '<recv request="CANCEL"/>',
                _ANSWER.format(status=200, retrans=""),
                _ANSWER.format(status=487, retrans=' retrans="500"').replace("[last_CSeq:]", "CSeq: 1 INVITE"),
                '<recv request="ACK"/>',
            )
        )
    return begun + _ANSWER.format(status=how, retrans=' retrans="500"') + '<recv request="ACK"/>'


def _caller(how: str, caller: str, callee: str) -> str:
    """What the caller does, in sipp's words."""

    def further(method: str, number: int, *, branch: str = "", retrans: str = "") -> str:
        return _FURTHER.format(
            method=method, number=number, branch=branch, caller=caller, callee=callee, retrans=retrans
        )

    begun = _INVITE.format(caller=caller, callee=callee)
    if how == "answered":
        talk = further("ACK", 1), further("BYE", 2, retrans=' retrans="500"'), '<recv response="200"/>'
        return "".join((begun, _RINGING, '<recv response="200"/>', *talk))
    if how == "cancelled":
        cancel = further("CANCEL", 1, branch="-3", retrans=' retrans="500"').replace("[peer_tag_param]", "")
        ended = '<recv response="200"/><recv response="487"/>', further("ACK", 1, branch="-6")
        return "".join((begun, _RINGING, cancel, *ended))
    if how == "unanswered":
        return "".join((begun, _RINGING, '<recv response="408"/>', further("ACK", 1, branch="-4")))
    return begun + f'<recv response="{how}"/>' + further("ACK", 1, branch="-3")


def configuration(port: int, phone: int, bridge: str, token: str) -> str:
    """The README's halves for Kamailio around the least that a proxy needs."""
    modules, lines = halves("Kamailio", "c")
    changes = {BRIDGE: bridge, "Bearer …": f"Bearer {token}", "192.0.2.10": CARRIER}
    whole = (
        _BASICS.format(carrier=CARRIER, port=port)
        + modules
        + _ROUTING.format(office=OFFICE, phone=phone, of_the_readme=lines)
    )
    for old, new in changes.items():
        assert whole.count(old) == 1, f"{old} stands in the README's Kamailio {whole.count(old)} times"
        whole = whole.replace(old, new)
    return whole


@contextmanager
def kamailio(folder: Path, programs: Mapping[str, str], *, bridge: str, token: str) -> Iterator[Exchange]:
    """Kamailio as the README has it, reporting to the bridge at this address."""
    port, phone = free_udp_port(CARRIER), free_udp_port(OFFICE)
    file = folder / "kamailio.cfg"
    file.write_text(configuration(port, phone, bridge, token), "utf-8")
    command: Sequence[str] = (
        *(programs["kamailio"], "-f", str(file), "-DD", "-E"),
        *("-w", str(folder), "-Y", str(folder), "-m", "32", "-M", "4"),
    )
    with program(command, cwd=folder) as running:
        yield Exchange(running, port, phone, folder, programs["sipp"])


def free_udp_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])
