"""Words that errors are told with, whatever the program: the background against which names stand out.

A word seen only once says something where it stands here ("refused", "mismatched"), and is most likely a name where it
does not. The list is our own, of words alone; it knows no product's messages.
"""

from __future__ import annotations

_TEXT = """
abort aborted aborting absent access accessible acquire acquiring activate active adapter address after again agent
alert algorithm alive allocate allocated allocation allowed already ambiguous answer apply archive argument arguments
arithmetic array artifact artifacts assert assertion assignable assigned assignment atomic attempt attempts attribute
auth authenticate authenticated authentication authorization authorized available backend backup bad bandwidth base
become before begin behind bind binding block blocked body bound bounds branch bridge broken broker bucket buffer bug
build builder building bundle bus busy by bytes cache call callback called calling cancel canceled cancelled cannot
capacity card cast cause caused certificate chain change changed channel check checked checkout checks checksum child
circular class classpath cleanup client clone close closed closing cluster code collect collection collision column
command commit compatible compilation compile compiled compiler compiling complete completed component compression
conditional config configuration configure conflict conflicting conflicts connect connected connecting connection
connections consistent console constraint constraints construct constructor consumer container content context control
conversion convert converted cookie copy core correct corrupt corrupted could couldn count coverage crash crashed
create created creating credential credentials current cycle cyclic daemon damaged data database date dead deadline
deadlock declaration declared decode decoding decompress default defined definition delete deleted delivery denied
dependencies dependency deploy deployment deprecated depth dereference descriptor deserialize destination destroyed
detach detected device different digest dimension directory disabled disallowed disconnect disconnected discover disk
dispatch display division dns docker document does domain download downloading driver dropped dropping due dump
duplicate duplicated during early element empty enable enabled encode encoding encountered encrypted end endpoint
engine ensure entity entry environment equal error errors establish evaluate event examples exceed exceeded exceeding
exceeds except exception exceptions exclusive exec executable execute executing execution executor exhausted exist
existing exists exit exited exiting expected expecting expects expired expires export exported expression extension
external fail failed failing failover fails failure failures false fatal fault feature fetch fetching field fields
file filename files filesystem filter find first fixture flag floating flush folder forbidden foreign fork format
formatted formatting formed found fragment frame free from frozen full function gateway generate generated generic get
give given global goal goodbye grant granted group guarantee handle handler handling handshake hang hardware hash
header headers heap heartbeat held help host hostname hung id identifier idle ignore ignored illegal image implement
implementation implicit import imported importing inaccessible include incoming incompatible incomplete inconsistent
incorrect index indexer infinite initialization initialize initialized initializing inner input insecure insert
inspected install installable installation installed installing instance instruction insufficient integer integrity
interface internal interpreter interrupt interrupted into invalid invocation invoke invoked io isolation issue issuer
iteration job join json kernel key keys kill killed known label language latency layer layout lease length level
library limit limits line link linked linker linking lint list listen load loaded loader loading local locate located
location lock locked log login logout long lookup loop lost malformed manager manifest mapping master match matching
max maximum media member memory merge message messages metadata method methods migration minimum mirror mismatch
mismatched missing mock mode model modification modified module modules monitor mount mounted move multiple must name
named namespace native negative network never next no node nodes non none not notify null number object obsolete
occupied occurred offense offenses offline offset only open opening operand operation operator option optional options
order orphan out outdated outer output over overflow overlap overloaded override owned owner package packages packet
page panic panicked parallel parameter parameters parent parse parser parsing part partial partition passed passes
password path pattern peer pending permission permissions permitted phase pipe pipeline plan platform plugin pod point
pointer policy poll pool port position positional power precondition premature prepare prerequisite present previous
private privilege privileges probe problem problems process processes processing processor production profile program
prohibited project promise properly properties property protected protocol provide provided provider proxy public
publish pull push query queue quota race raise raised range rate reached read readable reader reading readonly ready
reason rebase receive received receiver recognized record records recover recovery recursion recursive redirect
redirects redundant reference referenced references refresh refused region register registered registry reject
rejected relation release remote remove removed rename replace replica replication report repository request requested
requests require required requirement requirements requires reserved reset resolution resolve resolved resolver
resource resources respond response rest restart restarted restarting restore result retries retry retrying return
returned returns revision revoked rewrite role rollback root route row rows rule rules run runner running runtime safe
sample saturated save scan schedule scheduled scheduler schema scheme scope script secret section secure security
segment segmentation select semaphore send sending sensor sent separator sequence serialization serialize serializer
server service services session set settings setup severed shard share shared shell shut shutdown signal signature
signed size skip skipped slave slot slow snapshot socket source space specified split stack stage stale stalled start
started starting startup state statement status step stop stopped stopping storage store stream strict string
structure style subject submit subprocess subscription subtests success successful suite summary supplied support
supported suspended symbol sync synchronize syntax system table tag target task tasks temperature template temporarily
temporary terminate terminated terminating termination test tests thread threads threshold throttled throttling
through throw thrown throws time timed timeout timer timestamp timing token too topic total trace traceback track
trailing transaction transfer transform transient translate transport tree trigger triggered true truncated trust
trusted type types unable unauthorized unavailable unbound uncaught unclosed undeclared undefined underflow unequal
unexpected unhandled unhealthy unicode unimplemented union unique unit unknown unless unlock unmatched unmet
unprocessable unreachable unread unreadable unrecognized unregistered unresolvable unresolved unsafe unsatisfied
unsupported unterminated until untrusted unused update updated upgrade upload uploading upstream usage use used user
username using valid validate validation validator value values variable variables verification verify verifying
version versions violated violates violation violations virtual visible volume wait waiting want wanted warning
warnings was watchdog width within without worker workers workspace would writable write writer writing written wrong
zero zone
"""

ERROR_WORDS = frozenset(_TEXT.split())
"""Lower-case words of two letters and more."""
