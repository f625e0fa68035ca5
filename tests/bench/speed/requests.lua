-- Sends each request of a file once, until the time is over, then lets what is under way be answered, and ends: so the
-- number of answers is the number of requests, and the seconds are those from the first request to the last answer.
-- Accepted is what was answered with 2xx; wrk itself counts 3xx as well.
-- Arguments: the file, bytes of a request, seconds. For one thread.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment_t;
  int clock_gettime(int clock, moment_t *moment);
  int getpid(void);
  int kill(int process, int signal);
]]
local MONOTONIC, INTERRUPT = 1, 2
local NEVER = 3600000

local moment = ffi.new("moment_t")

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function setup(one)
  thread = one
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  data = file:read("*a")
  file:close()
  size, seconds = tonumber(arguments[2]), tonumber(arguments[3])
  released, sent, answered, accepted = 0, 0, 0, 0
  first, last = 0, 0
end

local function is_over()
  return (sent > 0 and now() - first >= seconds) or (sent + released + 1) * size > #data
end

function delay()
  if is_over() then
    return NEVER
  end
  released = released + 1
  return 0
end

function request()
  local one = string.sub(data, sent * size + 1, (sent + 1) * size)
  if not looked then
    looked = true -- wrk looks at the very first one, and sends nothing yet
    return one
  end
  if sent == 0 then
    first = now()
  end
  sent, released = sent + 1, math.max(released - 1, 0)
  return one
end

function response(status)
  last = now()
  answered = answered + 1
  if status >= 200 and status < 300 then
    accepted = accepted + 1
  end
  if answered == sent and released == 0 and is_over() then
    ffi.C.kill(ffi.C.getpid(), INTERRUPT) -- as Ctrl-C does: wrk ends at once, and tells what there was
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"sent": %d, "accepted": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f}',
    thread:get("sent"), thread:get("accepted"), errors.connect + errors.read + errors.write + errors.timeout,
    thread:get("last") - thread:get("first"), latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
