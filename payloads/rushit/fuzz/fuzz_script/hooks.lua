n = collect(0)
local t = {1, "a\0b", {x = true}}
t.self = t
client_socket(function(fd) n = n + fd return t end)
