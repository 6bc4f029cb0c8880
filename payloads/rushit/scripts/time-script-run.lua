-- How long the test took: what stands before run() is done before it, what stands after
-- it afterwards.

local function now() return clock_gettime(CLOCK_MONOTONIC).time end

local start = now()

run()

io.stderr:write(string.format("Script ran for %.1f seconds.\n", now() - start))
