-- An open loop of recorded bodies for wrk: wrk -t1 -s bench/flood.lua URL -- BODIES RATE; its last line is JSON.
-- Each connection that is free takes the next moment of the schedule, so that requests come at their rate whatever
-- becomes of those before; where none is free for long, fewer are sent than were to come.
local ffi = require("ffi")
ffi.cdef([[ typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int clock, moment *now); ]])
local MONOTONIC = 1
local moment = ffi.new("moment")
local bodies, rate, began, taken = {}, 0, nil, 0
local threads = {}
sent, answered, refused = 0, 0, 0

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, line)
  end
  rate = tonumber(arguments[2])
end

function delay()
  began = began or now()
  taken = taken + 1
  return math.max(0, math.floor((began + taken / rate - now()) * 1000))
end

function request()
  sent = sent + 1
  return bodies[sent % #bodies + 1]
end

function response(status)
  if status == 200 then
    answered = answered + 1
  elseif status == 429 or status == 503 then
    refused = refused + 1
  end
end

function done(summary)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  local thread = threads[1]
  local heard = thread:get("answered") + thread:get("refused")
  io.write(string.format(
    '{"seconds": %.6f, "sent": %d, "answered": %d, "refused": %d, "failed": %d}\n',
    summary.duration / 1e6, thread:get("sent"), thread:get("answered"), thread:get("refused"),
    summary.requests - heard + lost
  ))
end
