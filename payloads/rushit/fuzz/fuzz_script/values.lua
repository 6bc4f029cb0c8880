local a, b = 1, {}
function f(x) a = x return a, b end
g = {f, f, [b] = b, s = "s", m = setmetatable({}, {__index = b}), c = new(9)}
h = setfenv(function() return y end, g)
for i in tid_iter() do g[i] = collect(g) end
