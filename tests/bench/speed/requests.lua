-- Sends each request of a file once, until the time is over, and then lets what is under way be answered: so the number
-- of answers is the number of requests. Arguments: the file, bytes of a request, seconds, threads.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment_t;
  int clock_gettime(int clock, moment_t *moment);
]]

local moment = ffi.new("moment_t")
local threads = {}

local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function setup(thread)
  thread:set("at", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  data = file:read("*a")
  file:close()
  size, seconds, step = tonumber(arguments[2]), tonumber(arguments[3]), tonumber(arguments[4])
  first, last = 0, 0
end

function delay()
  if (first > 0 and now() - first >= seconds) or (at + 1) * size > #data then
    return 3600000
  end
  return 0
end

function request()
  last = now()
  if first == 0 then
    first = last
  end
  local one = string.sub(data, at * size + 1, (at + 1) * size)
  at = at + step
  return one
end

function done(summary, latency)
  local first, last = math.huge, 0
  for _, thread in ipairs(threads) do
    first, last = math.min(first, thread:get("first")), math.max(last, thread:get("last"))
  end
  local errors = summary.errors
  print(string.format(
    '{"answered": %d, "refused": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f}',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout, last - first,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
