-- A load of recorded bodies for wrk: wrk -s bench/wrk.lua URL -- BODIES SEED, a body a line; its last line is JSON.
local bodies = {}

function init(arguments)
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, line)
  end
  math.randomseed(tonumber(arguments[2]))
end

function request()
  return bodies[math.random(#bodies)]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "failed": %d, "p50_s": %.6f, "p99_s": %.6f}\n',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6
  ))
end
