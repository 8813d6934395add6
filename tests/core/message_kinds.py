"""Messages of our own after many kinds of software: which are one event, and which are not."""

from __future__ import annotations

SAME: list[list[str]] = [
    block.splitlines()
    for block in r"""
gw.example.com:8080 closed, 451 bytes out, 18846 bytes (18.4 KB) in, open for 00:03
www.example.net:443 closed, 0 bytes out, 0 bytes in, open for <1 sec
a.b.example.org:80 closed, 1.2 MB (1258291 bytes) out, 99 bytes in, open for 01:00:03

time.host.example:443 tunnelled by gw.example.com:5070 TLS
10.1.2.3:443 tunnelled by 10.0.0.2:5070 TLS

Blower rates ( 1200 1210 1190 1185 )
Blower rates ( 1200 **** 1190 1185 )

members differ rack-31 0x1ffe <ok> rack-0 0xfe <ok> rack-1 0xfe <ok>
members differ rack-7 0x1ffe <ok> rack-3 0xfe <ok>

peer 192.0.2.81 (pool-2-81.dsl.example.net) joined at Mon Feb  9 12:18:17 2026
peer 198.51.100.95 () joined at Tue Mar 10 02:08:10 2026

hold lock=233570404, bits=0x1, label="Main View", owner=com.example.ui, source=null, uid=10037, pid=2227
hold lock=1045, bits=0x0, label="Radio", owner=com.example.phone, source=Work{10113}, uid=1000, pid=99

awake=true,policy=3,reason=1,summary=0x23,bright=0.25,boot=false
awake=false,policy=1,reason=0,summary=0x1,bright=-1,boot=true

Stopping 12345:com.example.app/u0a12 (rank 900): idle #17
Stopping 999:com.example.other.thing/u0a99 (rank 902): idle #3

dailySum = 1700000000000##6993##548365##8661
dailySum = 1700000600000##7##5##8

TOTALS : 7007 5002 150089 240
TOTALS : 1 2 3 4

onSample:1700000000000 14 0 4
onSample:1700000600000 7 0 4

Task: 30546354_3247259375 started by client Updater.
Task: 30546355_1 started by client Updater.

Cached state of bundle: Bundle_for_FX29281~0123abcd0123abcd~amd64~~6.1.1.2, Wanted: 112, Present:112
Cached state of bundle: Bundle_for_FX3~0123abcd0123abcd~x86~en-US~6.1.1.9, Wanted: 80, Present:0

Loaded engine v6.1.7601.23 with Core: C:\Programs\engine\amd64_x_0123abcd0123abcd_6.1.7601.23_none_68\core.dll
Loaded engine v6.2.1.5 with Core: D:\Programs\x86_y\core.dll

00000001@2026/3/27:20:40:53.744 Transaction @0xdf83491d10 begun by {0a1b2c3d-56d8-11d5-882d-0080c847b195} flags 00000002
00000002@2026/4/2:02:04:40.592 Transaction @0xdf8 begun by {00000000-56d8-11d5-882d-0080c847b195} flags 00000000

driver entered (stack @0x7fed806eb5d @0x7fef9fb9b6d @0x7fef9f8358f @0xff83e97c)
driver entered (stack @0x7fed806eb5d @0x7fef9fb9b6d)

en0: access point is now 5c:50:15:36:bc:03
en1: access point is now a0:ff:ff:ee:bc:dd

interface awdl0 (FD80:0000:0000:0000:D8A5:90FF:FEF5:7FFF) went away
interface en0 (FD80:0000:0000:0000:ABCD:FFFF:FEFE:EEEE) went away
interface en4 (fd80::1) went away

RADIO: 620701.011328: wl0: leaving power save
RADIO: 7.000001: wl1: leaving power save

Port<0>(0x0)::listener - event for route = 0x0 port = 11 unplug = 0
Port<12>(0x3)::listener - event for route = 0x10 port = 2 unplug = 1

kB97Ee4t006183: from=root, size=1, class=0, msgid=<2026.kB9@host.example.com>, relay=root@localhost
kB9BcDeF: from=alice, size=99, class=-30, msgid=<x@y.example.com>, relay=mail.example.com [10.1.1.1]

address asked by 02:11:43:e3:ba:c3 on eth1: pool B_net: exhausted
address asked by aa:bb:cc:dd:ee:ff on eth0: pool B_net: exhausted

GET /api/v1/cases/9f3a/messages?limit=10&order=desc 200 in 12ms
GET /api/v1/cases/aa/messages 200 in 1.5 s

took 512ms (budget 300 ms)
took 5.2s (budget 1 s)

{"level": "info", "user": "alice", "n": 3}
{"level": "warn", "user": "bob", "n": 17}

user 'x1' logged in from [2001:db8::1]:443
user 'zz9' logged in from [10.0.0.1]:99

request 3f2c7a completed status=200 path=/a/b dur=12.5ms trace=None
request deadbeef1 completed status=500 path=/c dur=1s trace=9fa0

snapshot done: wrote 123 pages (0.8%); 0 segments added, sync=0.003 s, total=12.1 s; distance=1024 kB
snapshot done: wrote 7 pages (10%); 0 segments added, sync=1 s, total=2 s; distance=9 kB

Pod default/api-7d9f6c5b8-x2x9z evicted at 2026-03-02T09:14:07.118Z
Pod default/api-5bfc4d-abcde evicted at 2026-03-02 09:14:07

Next run of job Mon, 02 Mar 2026 09:14:07 GMT
Next run of job Tue, 10 Nov 2026 19:14:07 +0000

temperature -12.5C exceeds 40C
temperature 41C exceeds 40C
""".strip().split("\n\n")
]
"""Groups of messages of one event each."""

DIFFERENT: list[list[str]] = [
    ["VM Started (Lifecycle Event)", "VM Paused (Lifecycle Event)"],
    ["session opened for user root by (uid=0)", "session closed for user root"],
    ["Connection reset by peer", "Connection timed out"],
    ["java.io.IOException: Broken pipe", "java.net.ConnectException: Broken pipe"],
    ["IPv4 forwarding enabled", "IPv6 forwarding enabled"],
    ["state changed to down", "state changed to up"],
    ["GET /a HTTP/1.1", "POST /a HTTP/1.1"],
    ["uploaded to s3 bucket", "uploaded to ftp bucket"],
]
"""Groups of messages that are all of different events."""
